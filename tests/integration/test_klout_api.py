"""Klout's API over a real socket: the shapes, errors and forms of request that its clients knew."""

import json
import re
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

import httpx
import pytest

from pipeline.lookup.history.series import DAY_MS
from pipeline.lookup.klout.ids import klout_id
from pipeline.settings import Settings
from tests.integration.test_lookup_api import store
from tests.support.cluster import Cluster, Role, Valkey
from tests.support.eventually import eventually, promptly
from tests.support.keys import create_key
from tests.unit.lookup.documents import details_bytes, score_bytes

pytestmark = pytest.mark.integration

NOW: Final = 1_341_446_400_000
ANN: Final = klout_id("twitter:11")


def details(user: str, actors: dict[str, int], tags: Sequence[str] = (), version: int = 1) -> bytes:
    """Return details with tags, the most frequent first."""
    document: dict[str, Any] = json.loads(details_bytes(user, actors, version))
    document["tags"] = [{"tag": tag, "count": 9 - place} for place, tag in enumerate(tags)]
    return json.dumps(document, separators=(",", ":")).encode()


def score(user: str, value: float, handle: str, days_ago: int, version: int) -> bytes:
    """Return a score document of the past."""
    return score_bytes(user, value, version, handle=handle, as_of=NOW - days_ago * DAY_MS)


@pytest.fixture
def redis_filled(redis_url: str) -> str:
    """Ann (40 days of history, topics, peers), six peers with scores, and one without."""
    peers = {f"twitter:2{n}": n + 1 for n in range(6)}
    store(
        redis_url,
        [
            *(score("twitter:11", value, "Ann", ago, 9 - ago // 5) for value, ago in ((40, 40), (41, 10), (44.5, 2))),
            score("twitter:11", 50.25, "Ann", 0, 10),
            *(score(user, 20.0 + n, f"peer{n}", 0, 10) for user, n in peers.items()),
            score("github:torvalds", 90.0, "torvalds", 0, 10),
        ],
        [
            details("twitter:11", {**peers, "twitter:99": 3}, ["music", "BigData", "HiggsBoson"]),
            details("twitter:25", {"twitter:11": 4}),
        ],
    )
    return redis_url


@pytest.fixture
def serve(cluster: Cluster, redis_filled: str) -> Role:
    """A running lookup service."""
    return cluster.start("serve").wait_ready()


@pytest.fixture
def client(serve: Role) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


def ok(client: httpx.Client, path: str) -> Any:
    """Return the JSON of a successful answer."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


@pytest.mark.parametrize(
    "path",
    [
        "twitter?screenName=ann&key=0123456789abcdefghijklmn",
        "twitter/?key=k&screenName=ANN",
        "tw/11?key=k",
        "twitter?screenName=twitter:11",
    ],
)
def test_an_identity_is_found_by_whatever_names_it(client: httpx.Client, path: str) -> None:
    """Names in any case, a slash at the end, and parameters in any order."""
    assert ok(client, f"/v2/identity.json/{path}") == {"id": ANN, "network": "ks"}


def test_an_identity_leads_back_to_the_account(client: httpx.Client) -> None:
    """At a network, or at the one that it comes from."""
    for path in (f"klout/{ANN}/tw", f"klout/{ANN}", f"ks/{ANN}/tw"):
        assert ok(client, f"/v2/identity.json/{path}") == {"id": "11", "network": "tw"}
    assert client.get(f"/v2/identity.json/klout/{ANN}/gp").status_code == 404
    torvalds = ok(client, "/v2/identity.json/github?screenName=torvalds")["id"]
    assert ok(client, f"/v2/identity.json/klout/{torvalds}") == {"id": "torvalds", "network": "github"}


def test_the_number_of_a_linked_account_leads_to_the_person(client: httpx.Client, redis_url: str) -> None:
    """Clients keep numbers for ever: the account's own, from before, still works."""
    account = score_bytes("twitter:12", 20.0, 1, handle="ann_too", as_of=NOW)
    store(redis_url, [account])
    before = ok(client, "/v2/identity.json/tw/12")["id"]
    assert ok(client, f"/v2/user.json/{before}")["nick"] == "ann_too"
    store(redis_url, [score_bytes("twitter:12", 20.0, 2, handle="ann_too", as_of=NOW, person="twitter:11")])
    assert ok(client, "/v2/identity.json/tw/12") == {"id": ANN, "network": "ks"}
    assert ok(client, "/v2/identity.json/twitter?screenName=ann_too") == {"id": ANN, "network": "ks"}
    assert ok(client, f"/v2/user.json/{before}")["nick"] == "Ann"


def test_version_2_answers_in_klouts_shapes(client: httpx.Client) -> None:
    """With both spellings of the deltas, by Klout id and by the id at Twitter."""
    deltas = {"dayChange": 5.75, "weekChange": 9.25, "monthChange": 10.25}
    nicked = {"score": 50.25, "bucket": "50-59"}
    for person in (f"user.json/{ANN}", "tw-user.json/11"):
        user = {"kloutId": ANN, "nick": "Ann", "score": nicked, "scoreDeltas": deltas, "scoreDelta": deltas}
        assert ok(client, f"/v2/{person}") == user
        assert ok(client, f"/v2/{person}/score") == {**nicked, "scoreDelta": deltas, "scoreDeltas": deltas}
        topics = ok(client, f"/v2/{person}/topics")
        assert [topic["slug"] for topic in topics] == ["music", "big-data", "higgs-boson"]
        assert topics[0] == {
            "id": "5241585099662481339",
            "displayName": "Music",
            "name": "Music",
            "slug": "music",
            "imageUrl": "",
            "displayType": "sub",
            "topicType": "sub",
        }
        influence = ok(client, f"/v2/{person}/influence")
        assert (influence["myInfluencersCount"], influence["myInfluenceesCount"]) == (1, 7)
        entities = [holder["entity"] for holder in influence["myInfluencees"]]
        assert [entity["payload"]["nick"] for entity in entities] == [f"peer{n}" for n in (6, 5, 4, 3, 2)]
        assert entities[0] == {"id": klout_id("twitter:25"), "payload": ok(client, "/v2/tw-user.json/25")}
        assert influence["myInfluencers"] == [{"entity": entities[0]}]


def test_version_1_answers_in_klouts_shapes(client: httpx.Client) -> None:
    """Always with the status in the body."""
    (shown,) = ok(client, "/1/users/show.json?users=ann")["users"]
    number = {name: shown["score"].pop(name) for name in ("kscore", "slope", "delta_1day", "delta_5day", "true_reach")}
    assert number == {"kscore": 50.25, "slope": 10.25, "delta_1day": 5.75, "delta_5day": 9.25, "true_reach": 5}
    assert (shown["twitter_id"], shown["twitter_screen_name"]) == ("11", "Ann")
    texts = {"description", "kclass", "kclass_description", "kscore_description"}
    assert shown["score"].keys() == texts | {"kclass_id", "network_score", "amplification_score"}
    topics = {"twitter_screen_name": "Ann", "topics": ["music", "big data", "higgs boson"]}
    assert ok(client, "/1/users/topics.json?users=ann") == {"status": 200, "users": [topics]}
    influencer = {"twitter_screen_name": "peer6", "kscore": 26.0}
    influenced = {"twitter_screen_name": "Ann", "influencers": [influencer]}
    assert ok(client, "/1/soi/influenced_by.json?users=ann") == {"status": 200, "users": [influenced]}
    (influencer_of,) = ok(client, "/1/soi/influencer_of.json?users=ann")["users"]
    assert influencer_of["influencees"][0] == influencer
    assert len(influencer_of["influencees"]) == 6


SCORES_OF_TWO: Final = {
    "status": 200,
    "users": [{"twitter_screen_name": "Ann", "kscore": 50.25}, {"twitter_screen_name": "peer1", "kscore": 21.0}],
}


@pytest.mark.parametrize(
    "query", ["users=ann,peer1&key=k", "users=ann&users=peer1&key=k", "key=k&users=ann%2Cpeer1", "users=ann,%20peer1"]
)
def test_version_1_takes_names_in_every_form(client: httpx.Client, query: str) -> None:
    """With commas, or repeated; a client of version 2 asks there too."""
    assert ok(client, f"/1/klout.json?{query}") == SCORES_OF_TWO
    assert ok(client, f"/v2/klout.json?{query}") == SCORES_OF_TWO


def test_version_1_takes_a_form_and_answers_scripts_and_xml(client: httpx.Client) -> None:
    """As clients in Java, in pages, and in PHP asked."""
    answer = client.post("/1/klout.json?key=k", data={"users": '["ann","peer1"]'})
    assert (answer.status_code, answer.json()) == (200, SCORES_OF_TWO)
    script = client.get("/1/klout.json?users=ann,peer1&key=k&callback=jsonp17")
    assert script.headers["content-type"].startswith("application/javascript")
    wrapped = re.fullmatch(r"/\*\*/jsonp17\((.*)\);", script.text)
    assert wrapped is not None
    assert json.loads(wrapped[1]) == SCORES_OF_TWO
    xml = client.get("/1/klout.xml?users=ann&key=k")
    assert xml.headers["content-type"].startswith("text/xml")
    assert "<kscore>50.25</kscore>" in xml.text


def test_xml_is_read_as_its_clients_read_it(client: httpx.Client) -> None:
    """SimpleXML's `->user->kscore` in PHP, and a script in Google's spreadsheets that wants all of its columns."""
    scores = ET.fromstring(client.get("/1/klout.xml?users=ann,peer1&key=k").content)
    assert scores.tag == "users"
    assert [scores.findtext("user/kscore"), len(scores.findall("user"))] == ["50.25", 2]
    shown = ET.fromstring(client.get("/1/users/show.xml?key=k&users=ann").content)
    assert shown.findtext("user/twitter_id") == "11"
    numbers = ("kscore", "slope", "network_score", "amplification_score", "true_reach", "delta_1day", "delta_5day")
    assert all(float(shown.findtext(f"user/score/{name}", "")) > 0 for name in numbers)
    assert all(
        shown.findtext(f"user/score/{name}") for name in ("kclass_id", "kclass", "kclass_description", "description")
    )
    influence = ET.fromstring(client.get("/1/soi/influencer_of.xml?users=ann&key=k").content)
    assert len(influence.findall("user/influencees/influencee/kscore")) == 6


def failure(answer: httpx.Response, status: int) -> str:
    """Check that an answer is an error of Klout's shape and return its description."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error", "description"}
    assert body["error"] == status
    return str(body["description"])


def test_errors_have_klouts_shapes(client: httpx.Client) -> None:
    """A body of JSON in version 2; an empty page in version 1, also where one of a group is unknown."""
    for path in (
        "identity.json/twitter?screenName=nobody",
        "identity.json/tw/12345",
        "identity.json/klout/12345/tw",
        "identity.json/klout/12345",
        "user.json/12345",
        "user.json/12345/score",
        "user.json/12345/topics",
        "user.json/12345/influence",
        "user.json/not-a-number",
        "tw-user.json/12345/score",
        "user.json",
        "nothing/here",
    ):
        failure(client.get(f"/v2/{path}"), 404)
    assert "screenName" in failure(client.get("/v2/identity.json/twitter"), 400)
    assert "callback" in failure(client.get(f"/v2/user.json/{ANN}?callback=alert(1)"), 400)
    failure(client.post(f"/v2/user.json/{ANN}"), 405)
    for query in ("users=nobody", "users=ann,nobody"):
        answer = client.get(f"/1/klout.json?{query}")
        assert (answer.status_code, answer.content) == (404, b"")
        assert answer.headers["content-type"].startswith("text/html")
    for query in ("", "users=", "users=a,b,c,d,e,f", "users=[1]", 'users=["ann"'):
        assert "users" in failure(client.get(f"/1/klout.json?{query}"), 400)
    other = client.get("/nothing/here")
    assert other.headers["content-type"] == "application/problem+json"


def test_hostile_names_are_nobody(client: httpx.Client) -> None:
    """Never an error of the server."""
    for name in ("a" * 5000, "\0", "../../etc", "\u202eabc", "a b", "%", "x:", ":", "☃"):
        assert client.get("/v2/identity.json/twitter", params={"screenName": name}).status_code == 404
        assert client.get("/1/klout.json", params={"users": name}).status_code == 404
    for raw in (b"\xff\xfe", b"a/b/c/d"):
        assert client.get("/v2/user.json/" + "".join(f"%{byte:02X}" for byte in raw)).status_code == 404


RECORDED: Final = {
    "Ruby, which sends a content type": "GET /v2/identity.json/twitter?key=k&screenName=ann HTTP/1.1\r\n"
    "Content-Type: application/json\r\nConnection: close\r\nHost: api.klout.com\r\n\r\n",
    "PHP, with a slash": "GET /v2/identity.json/twitter/?screenName=ann&key=k HTTP/1.1\r\n"
    "User-Agent: Guzzle/3.0.5 curl/7.24.0 PHP/5.3.15\r\nHost: api.klout.com\r\n\r\n",
    "node_klout": "GET /v2/identity.json/twitter?screenName=ann&key=k HTTP/1.1\r\n"
    "Host: api.klout.com\r\nConnection: close\r\n\r\n",
    "Python 2, with gzip": "GET /v2/identity.json/twitter?screenName=ann&key=k HTTP/1.1\r\nAccept-Encoding: gzip\r\n"
    "Host: api.klout.com\r\nConnection: close\r\nUser-Agent: Python-urllib/2.7\r\n\r\n",
    "HTTP/1.0": "GET /v2/identity.json/tw/11?key=k HTTP/1.0\r\nHost: api.klout.com\r\n\r\n",
}


@pytest.mark.parametrize("request_text", RECORDED.values(), ids=RECORDED)
def test_requests_of_old_clients_are_understood_byte_for_byte(serve: Role, request_text: str) -> None:
    """As they went over the wire, with Klout's own host in the header."""
    with socket.create_connection(("127.0.0.1", serve.port), timeout=60) as connection:
        connection.sendall(request_text.encode())
        received = b""
        while b'"}' not in received:
            part = connection.recv(65536)
            assert part, received
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    assert json.loads(body) == {"id": ANN, "network": "ks"}


def test_a_closed_service_wants_a_good_key_in_the_query(
    cluster: Cluster, settings: Settings, redis_filled: str
) -> None:
    """403 for a bad one and over the limit: clients take 401 and 429 otherwise, or for success."""
    good, slow = create_key(settings, "read"), create_key(settings, "read", requests_per_s=0.05)
    serve = cluster.start("serve", CLOUT_OPEN_READS="false").wait_ready()
    path = f"/v2/user.json/{ANN}/score"
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        eventually(lambda: client.get(path, params={"key": good}).status_code == 200, 60, "the key is known")
        for key in ({}, {"key": "0123456789abcdefghijklmn"}, {"key": good[:-1]}):
            answer = client.get(path, params=key)
            assert failure(answer, 403) == "Invalid or unprovided API key. All calls must have a key."
            assert answer.headers["x-mashery-error-code"] == "ERR_403_DEVELOPER_INACTIVE"
            assert client.get("/1/klout.json", params={"users": "ann", **key}).status_code == 403
            assert client.post("/1/klout.json", data={"users": "ann", **key}).status_code == 403
        # As WebService::Klout of CPAN asks: everything in the form, the names as a JSON list.
        for method in ("klout", "users/show", "users/topics", "soi/influenced_by", "soi/influencer_of"):
            answer = client.post(f"/1/{method}.json", data={"key": good, "users": '["ann"]'})
            assert (answer.status_code, answer.json()["status"]) == (200, 200)
        name = "x-mashery-error-code"

        def over() -> list[httpx.Response]:
            # Nobody is limited while Redis does not answer for a tenth of a second.
            answers = [client.get(path, params={"key": slow}) for _ in range(6)]
            limited = [answer for answer in answers if answer.headers.get(name) == "ERR_403_DEVELOPER_OVER_QPS"]
            return limited if len(limited) >= 3 else []

        refused = eventually(over, 60, "most are over the limit")[0]
        failure(refused, 403)
        assert int(refused.headers["retry-after"]) >= 1


def test_while_redis_is_away_the_answer_is_503(own_cluster: Cluster, own_valkey: Valkey) -> None:
    """In Klout's shape, within a second."""
    serve = own_cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        own_valkey.freeze()
        for path in (f"/v2/user.json/{ANN}", "/1/klout.json?users=ann"):
            answer = promptly(lambda path=path: client.get(path), 1.5)  # type: ignore[misc]
            failure(answer, 503)
            assert answer.headers["retry-after"] == "1"
        own_valkey.thaw()
