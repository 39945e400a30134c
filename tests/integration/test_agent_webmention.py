"""The agent `webmention`, run by its command: other sites tell that they link to ours, some of them truly."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from pipeline.local.ports import is_listening
from schemas import Engagement, Profile
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually, eventually_async
from tests.support.peers.blog import BlogPeer
from tests.support.ports import free_port
from tests.support.topics import all_engagements, read_topic

pytestmark = pytest.mark.integration

OURS = "https://home.example/posts/1"
NOW = datetime.now(UTC).isoformat()


class Site:
    """Ours, with the agent behind it."""

    def __init__(self, cluster: Cluster) -> None:
        self.port = free_port()
        self._cluster = cluster
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.sent = 0
        self.agent: Logged
        self.start()

    def start(self) -> None:
        """Start the agent."""
        hosts = {"CLOUT_PRIVATE_HOSTS": '["127.0.0.1"]'}
        options = ("--site", "https://home.example", "--port", str(self.port))
        self.agent = self._cluster.run("agent", "webmention", *options, **hosts)
        eventually(lambda: is_listening(self.port), 60, f"the agent listens; its log is {self.agent.log}")
        self.sent = 0

    def mention(self, source: str, target: str = OURS) -> int:
        """Tell that a page links to ours; returns the status."""
        self.sent += 1
        return self.client.post("/webmention", data={"source": source, "target": target}).status_code

    def looked(self) -> bool:
        """Tell whether what was sent since the start has been looked at."""
        metrics = httpx.get(f"http://127.0.0.1:{self._cluster.settings.agent_port}/metrics", timeout=60).text
        return f'clout_agent_received_total{{agent="webmention"}} {float(self.sent)}' in metrics

    def waits(self) -> int:
        """Return how many are on disk that have not been looked at; they go once the broker has what they said."""
        path = self._cluster.settings.data_dir / "memory" / "webmention-ledger.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            return int(ledger.execute("SELECT count(*) FROM waiting WHERE tries = 0").fetchone()[0])

    def settle(self) -> None:
        """Wait until what was sent since the start has been looked at, and what came of it is on disk."""
        done = f"the agent has looked at {self.sent}; its log is {self.agent.log}"
        eventually(lambda: self.looked() and not self.waits(), 120, done)


@pytest.fixture
def site(cluster: Cluster) -> Iterator[Site]:
    """Our site."""
    site = Site(cluster)
    yield site
    site.client.close()


@pytest.fixture
def blogs() -> Iterator[list[BlogPeer]]:
    """Five sites of others."""
    blogs = [BlogPeer() for _ in range(5)]
    yield blogs
    for blog in blogs:
        blog.stop()


async def logged(cluster: Cluster, count: int) -> list[Engagement]:
    """Wait for so many different engagements; returns them."""

    async def there() -> bool:
        return len({(event.id, event.undo) for event in await all_engagements(cluster.settings)}) >= count

    # A source that was slow is asked again after a minute.
    await eventually_async(there, 120, f"{count} engagements are in the log")
    events = {(event.id, event.undo): event for event in await all_engagements(cluster.settings)}
    assert len(events) == count
    return list(events.values())


async def test_what_a_page_says_is_what_counts(site: Site, blogs: list[BlogPeer], cluster: Cluster) -> None:
    """By its microformats; with the author where the page may speak for them."""
    said = (
        f'<a class="u-like-of" href="{OURS}">liked</a><time class="dt-published" datetime="{NOW}">now</time>',
        f'<div class="u-repost-of h-cite"><a class="u-url" href="{OURS}">that</a></div>',
        f'<a class="u-in-reply-to" href="{OURS}">re</a> <p class="e-content">No!</p>',
        f'<p class="e-content">read <a href="{OURS}">this</a></p>',
    )
    for blog, inner in zip(blogs, said, strict=False):
        assert site.mention(blog.write("/entry", inner)) == 202
    lying = '<a class="p-author h-card" href="https://famous.example/">Famous</a>'
    blogs[4].pages["/entry"] = 200, f'<div class="h-entry">{lying}<a class="u-like-of" href="{OURS}">x</a></div>'
    assert site.mention(blogs[4].url("/entry")) == 202
    events = await logged(cluster, 5)
    assert {(event.actor, event.kind) for event in events} == {
        (f"blog:{blog.host}", kind)
        for blog, kind in zip(blogs, ("like", "share", "comment", "share", "like"), strict=True)
    }
    assert {(event.target, event.object, event.network) for event in events} == {("blog:home.example", OURS, "blog")}
    records = await read_topic(cluster.settings, "profiles")
    profiles = {p.user: p for p in (msgspec.json.decode(record.value or b"", type=Profile) for record in records)}
    ada = profiles[f"blog:{blogs[0].host}"]
    assert (ada.name, ada.url, ada.avatar) == ("Ada", blogs[0].url("/"), blogs[0].url("/ada.png"))
    assert f"blog:{blogs[4].host}" not in profiles, "nobody speaks for another site"
    assert site.agent.stop() == 0


async def test_a_page_that_was_edited_or_is_gone_withdraws(site: Site, blogs: list[BlogPeer], cluster: Cluster) -> None:
    """Another kind is another engagement; the link taken out and 410 are the end of one, after a kill, too."""
    blog = blogs[0]
    like = f'<a class="u-like-of" href="{OURS}">liked</a>'
    first, second = blog.write("/1", like), blog.write("/2", like)
    assert {site.mention(first), site.mention(second), site.mention(blog.write("/3", like))} == {202}
    made = {event.id for event in await logged(cluster, 3)}
    site.settle()
    site.agent.kill()
    site.start()
    blog.write("/1", f'<a class="u-repost-of" href="{OURS}">reposted</a>')
    blog.pages["/2"] = 410, "gone"
    blog.write("/3", "I have nothing to say")
    for path in ("/1", "/2", "/3"):
        assert site.mention(blog.url(path)) == 202
    events = await logged(cluster, 7)
    assert {event.id for event in events if event.undo} == made
    (share,) = (event for event in events if event.kind == "share")
    assert share.id.removesuffix("/2") in {name.removesuffix("/1") for name in made}
    undone = {event.id: event for event in events if event.undo}
    assert all(msgspec.structs.replace(undone[e.id], undo=False) == e for e in events if e.id in made and not e.undo)
    site.settle()
    blog.write("/2", like)
    assert site.mention(first) == 202
    assert site.mention(second) == 202
    again = await logged(cluster, 8)
    assert {event.id for event in again} - {event.id for event in events}, "doing it again has a new id"
    site.settle()
    assert site.agent.stop() == 0
    assert "known_mention 1" in site.agent.output()


async def test_none_is_lost_or_counted_twice_by_kills(site: Site, blogs: list[BlogPeer], cluster: Cluster) -> None:
    """What was answered with 202 is verified by whoever comes after."""
    expected = set()
    for round_ in range(3):
        for number in range(15):
            blog, path = blogs[number % 5], f"/{round_}-{number}"
            assert site.mention(blog.write(path, f'<a class="u-like-of" href="{OURS}">{number}</a>')) == 202
            expected.add((f"blog:{blog.host}", round_, number))
        site.agent.kill()
        site.start()
    events = await logged(cluster, len(expected))
    assert {event.undo for event in events} == {False}
    by_actor = {blog.host: sum(event.actor == f"blog:{blog.host}" for event in events) for blog in blogs}
    assert set(by_actor.values()) == {9}
    raw = await all_engagements(cluster.settings)
    assert len({msgspec.json.encode(event) for event in raw}) == len(expected), "what is there twice is the same"
    assert site.agent.stop() == 0


async def test_nothing_private_is_fetched_whatever_a_source_names(
    site: Site, blogs: list[BlogPeer], cluster: Cluster
) -> None:
    """Not by name, number, scheme, user or redirect; redirects to other sites of the internet are followed."""
    blog, secret = blogs[0], blogs[1]
    port = secret.host.partition(":")[2]
    secret.write("/admin", f'<a href="{OURS}">x</a>')
    sources = [
        f"http://localhost:{port}/admin",
        f"https://localhost:{port}/admin",
        f"http://[::1]:{port}/admin",
        f"http://2130706433:{port}/admin",
        f"http://0x7f000001:{port}/admin",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
    ]
    for number, to in enumerate((*sources, "file:///etc/passwd", "gopher://127.0.0.1/", "/loop")):
        path = "/loop" if to == "/loop" else f"/redirect-{number}"
        blog.pages[path] = 302, to
        sources.append(blog.url(path))
    for source in sources:
        assert site.mention(source) == 202, source
    site.settle()
    assert not secret.asked
    blog.pages["/moved"] = 301, secret.url("/admin")
    assert site.mention(blog.url("/moved")) == 202
    (event,) = await logged(cluster, 1)
    assert event.actor == f"blog:{secret.host}", "the page that has the link says whose it is"
    assert site.agent.stop() == 0
    assert f"forbidden_source {len(sources)}" in site.agent.output()


async def test_what_is_no_mention_is_refused_or_counted(site: Site, blogs: list[BlogPeer], cluster: Cluster) -> None:
    """Wrong forms, pages that lie, are no pages, are too long, or that no parser likes."""
    blog = blogs[0]
    there = blog.write("/there", "hello")
    for form in ({}, {"source": there}, {"source": [there, there], "target": OURS}, {"source": "x", "target": OURS}):
        site.sent += 1
        assert site.client.post("/webmention", data=form).status_code == 400
    assert site.mention(there, "https://elsewhere.example/") == 400
    assert site.mention(OURS + "#a", OURS) == 400
    assert site.mention("https://user:pass@home.example/", OURS) == 400
    assert site.mention("https://x.example/" + "a" * 3_000) == 400
    site.sent += 1
    assert site.client.post("/webmention", content=b"\xff\xfe").status_code == 400
    assert site.client.get("/webmention").status_code == 405
    assert site.client.post("/elsewhere").status_code == 404
    assert site.mention(there) == 202, "no_link"
    assert site.mention(blog.url("/missing")) == 202
    blog.pages["/long"] = 200, "x" * 2_000_000
    assert site.mention(blog.url("/long")) == 202
    blog.pages["/deep"] = 200, f'<a href="{OURS}">x</a>' + "<div class='h-entry'>" * 20_000
    assert site.mention(blog.url("/deep")) == 202
    old = f'<time class="dt-published" datetime="1970-01-01">then</time><a href="{OURS}">x</a>'
    assert site.mention(blog.write("/old", old)) == 202
    blog.pages["/cut"] = 0, ""
    assert site.mention(blog.url("/cut")) == 202
    site.sent -= 1
    site.settle()
    assert site.agent.stop() == 0
    assert await all_engagements(cluster.settings) == []
    output = site.agent.output()
    for reason in ("no_address", "not_our_site 1", "self 1", "no_link 1", "source_missing 1", "implausible_time 1"):
        assert reason in output
    assert "forbidden_source 1" in output, "too long"
    assert "malformed 1" in output
    assert "it is asked again" in output
    assert "Traceback" not in output


def test_without_a_site_the_message_says_what_to_name(cluster: Cluster) -> None:
    """One line, and exit status 1."""
    agent = cluster.run("agent", "webmention")
    eventually(lambda: not agent.is_running(), 60, "it ends")
    assert "--site https://example.org" in agent.output()
