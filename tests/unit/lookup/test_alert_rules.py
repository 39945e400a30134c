"""What rules say to spikes, without a clock and without a broker."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.errors import ConfigError
from pipeline.lookup.alerts.checks import ChannelChecks, with_secrets, without_secrets
from pipeline.lookup.alerts.messages import deliveries, subject
from pipeline.lookup.alerts.occasion import of_silence, of_spike
from pipeline.lookup.alerts.rules import Alert, Context, Told, judge, rehearse
from pipeline.lookup.alerts.rulesfile import RulesFile, read_rules
from pipeline.lookup.alerts.ticking import DEAD_MS, FORGET_MS, MISSING_MS, Ticking
from pipeline.settings import Settings
from schemas import (
    AlertmanagerChannel,
    AlertRule,
    DiscordChannel,
    EmailChannel,
    KafkaChannel,
    Silence,
    SlackChannel,
    Spike,
    Tick,
    WebhookChannel,
)
from schemas.generate import EXAMPLES

NOW = 1_783_175_888_412
SPIKE = msgspec.json.decode((EXAMPLES / "spike.json").read_bytes(), type=Spike)


def spike(**changes: Any) -> Spike:
    """Return the example of a spike, changed."""
    return msgspec.structs.replace(SPIKE, time=NOW, **changes)


def rule(**changes: Any) -> AlertRule:
    """Return a rule for rises of everyone."""
    fields: dict[str, Any] = {"channels": [SlackChannel("https://hooks.example.com/x")], **changes}
    return AlertRule(id="rule:key:a/press", owner="key:a", name="press", **fields)


def judged(
    of: AlertRule, *, told: Told | None = None, score: float | None = None, now: int = NOW, **changes: Any
) -> Any:
    """Return the outcome of a rule, None where it says nothing."""
    context = Context(
        now, **{name: changes.pop(name) for name in ("silences", "acknowledged", "ticks_missing") if name in changes}
    )
    alert = judge(of, of_spike(spike(**changes)), told, score, context)
    return alert and alert.outcome


def test_a_rule_is_about_what_it_names() -> None:
    """Users, networks, level, authenticity, score, direction."""
    assert judged(rule()) == "sent"
    assert judged(rule(), direction="drop") is None
    assert judged(rule(occasions=("drop",)), direction="drop") == "sent"
    assert judged(rule(users=["x:other"])) is None
    assert judged(rule(users=[SPIKE.user])) == "sent"
    assert judged(rule(networks=["x"])) is None
    assert judged(rule(level=SPIKE.level + 1)) is None
    assert judged(rule(authenticity="organic"), authenticity="suspicious") is None
    assert judged(rule(), authenticity="suspicious") == "sent"
    assert judged(rule(above_score=50)) is None
    assert judged(rule(above_score=50), score=49.9) is None
    assert judged(rule(above_score=50), score=50.0) == "sent"


def test_a_spike_is_told_once_for_each_level_and_its_end_once() -> None:
    """One burst is one spike."""
    told = Told(2, is_sent=True)
    assert judged(rule(), told=told, level=2, status="grown") is None
    assert judged(rule(), told=told, level=3, status="grown") == "sent"
    assert judged(rule(), told=told, status="closed") == "sent"
    assert judged(rule(), status="closed") is None
    assert judged(rule(), told=Told(2, is_sent=False), status="closed") == "suppressed"
    assert judged(rule(tell_closed=False), told=told, status="closed") == "suppressed"


def test_what_is_old_silenced_acknowledged_or_doubtful_is_recorded_and_not_sent() -> None:
    """A backlog wakes nobody, and a dead agent is not a silent world."""
    assert judged(rule(), now=NOW + 600_001) == "old"
    assert judged(rule(), now=NOW + 600_000) == "sent"
    assert judged(rule(), acknowledged=frozenset({("key:a", SPIKE.id)})) == "acknowledged"
    assert judged(rule(), acknowledged=frozenset({("key:b", SPIKE.id)})) == "sent"
    assert judged(rule(occasions=("drop",)), direction="drop", ticks_missing="agent x is silent") == "suppressed"
    assert judged(rule(), ticks_missing="agent x is silent") == "sent"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "silenced"),
        ({"until": NOW}, "sent"),
        ({"owner": "key:b"}, "sent"),
        ({"rule": "press"}, "silenced"),
        ({"rule": "other"}, "sent"),
        ({"user": SPIKE.user}, "silenced"),
        ({"user": "x:other"}, "sent"),
        ({"network": SPIKE.network, "user": "x:other"}, "sent"),
    ],
)
def test_a_silence_is_about_all_that_it_names(changes: dict[str, Any], outcome: str) -> None:
    """And of its owner's rules alone."""
    fields: dict[str, Any] = {"id": "silence:a", "owner": "key:a", "until": NOW + 1, **changes}
    assert judged(rule(), silences=[Silence(**fields)]) == outcome


def test_a_rehearsal_groups_as_the_alerter_does() -> None:
    """The first goes out, what follows within the group's time waits."""
    events = [of_spike(spike(id=str(n), user=f"x:{n % 2}")) for n in range(4)]
    events = [msgspec.structs.replace(event, time=NOW + n * 1000) for n, event in enumerate(events)]
    assert [alert.outcome for alert in rehearse(rule(), events, {})] == ["sent", "sent", "grouped", "grouped"]
    by_rule = rule(group_by="rule", group_s=2)
    assert [alert.outcome for alert in rehearse(by_rule, events, {})] == ["sent", "grouped", "sent", "grouped"]
    assert list(rehearse(rule(level=5), events, {})) == []


def alert(text: str = "") -> Alert:
    """Return an alert, whose user may have named themselves."""
    of = rule()
    found = judge(of, of_spike(spike(user=f"x:{text}")), None, None, Context(NOW))
    assert found is not None
    return found


def test_each_channel_has_its_words() -> None:
    """The same event has the same ids, always."""
    channels = [
        WebhookChannel("https://a.example/1", "whsec_x"),
        SlackChannel("https://a.example/2"),
        DiscordChannel("https://a.example/3"),
        AlertmanagerChannel("https://a.example/4"),
        EmailChannel(["a@a.example"]),
        KafkaChannel("alerts"),
    ]
    made = deliveries(rule(channels=channels), [alert("a"), alert("b")], NOW)
    assert [each.id for each in made] == [
        each.id for each in deliveries(rule(channels=channels), [alert("a"), alert("b")], 0)
    ]
    assert len({each.id for each in made}) == len({each.destination for each in made}) == 6
    webhook, slack, discord, prometheus, mail, topic = (each.body for each in made)
    assert [each["user"] for each in json.loads(webhook)["data"]["alerts"]] == ["x:a", "x:b"]
    assert "x:a rose" in json.loads(slack)["text"]
    assert json.loads(discord)["allowed_mentions"] == {"parse": []}
    assert [each["labels"]["user"] for each in json.loads(prometheus)] == ["x:a", "x:b"]
    assert "(rule press)" in mail
    assert json.loads(topic)["data"]["rule"] == "press"
    many = deliveries(rule(channels=channels), [alert("u" * 400)] * 500, NOW)
    assert len(many[0].body) < 20_000
    assert len(json.loads(many[2].body)["content"]) < 2000


def test_what_users_named_themselves_is_no_markup() -> None:
    """Nor a header, nor a mention."""
    (made,) = deliveries(rule(), [alert("<!channel> & <https://evil.example|x>")], NOW)
    assert "<" not in json.loads(made.body)["text"]
    assert "\n" not in subject([alert("a\r\nBcc: b@b.example")])
    assert "\r" not in subject([alert("a\r\nBcc: b@b.example")])


def test_an_agent_that_does_not_tick_is_told_of_and_drops_are_doubted() -> None:
    """Replays may end as they like, and so may those who post events."""
    ticking = Ticking()
    ticking.take(Tick("bluesky", NOW), NOW)
    ticking.take(Tick("replay", NOW - 10**9), NOW)
    ticking.take(Tick("http", NOW), NOW)
    assert ticking.last == {"bluesky": NOW}
    assert ticking.missing("bluesky", NOW + MISSING_MS) is None
    assert ticking.missing("bluesky", NOW + MISSING_MS + 1) is not None
    assert ticking.missing("mastodon", NOW + MISSING_MS + 1) is not None
    assert ticking.dead(NOW + DEAD_MS) == []
    assert ticking.dead(NOW + DEAD_MS + 1) == ["bluesky"]
    assert ticking.forget(NOW + FORGET_MS + 1) == ["bluesky"]
    silence = of_silence("bluesky", NOW, NOW + DEAD_MS, is_closed=False)
    assert judge(rule(), silence, None, None, Context(NOW)) is None
    found = judge(rule(occasions=("silent_agent",)), silence, None, None, Context(NOW + DEAD_MS))
    assert found is not None
    assert found.outcome == "sent"


CHECKS = ChannelChecks(Settings(_env_file=None))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[rule]]\nname = 'a'\nchannels = [{kind='pigeon', url='https://a.example'}]", "channels[0].kind"),
        ("[[rule]]\nname = 'a'\nlevel = 9\nchannels = [{kind='slack', url='https://a.example'}]", "level"),
        ("[[rule]]\nname = 'a'\nlevl = 2\nchannels = [{kind='slack', url='https://a.example'}]", "rule[0].levl"),
        ("[[rule]]\nname = 'a'\nchannels = [{kind='slack', url='http://a.example'}]", "channels[0].url"),
        ("[[rule]]\nname = 'a'\nchannels = [{kind='webhook', url='https://a.example'}]", "channels[0].secret"),
        ("[[rule]]\nname = 'a'\nchannels = [{kind='email', to=['a@a.example']}]", "channels[0].kind"),
        ("[[rule]]\nname = 'a'\nchannels = [{kind='kafka', topic='clout.scores'}]", "channels[0].topic"),
        ("[[rule]]\nname = 'a'\nusers = ['nobody']\nchannels = [{kind='kafka', topic='a'}]", "users[0]"),
        ("[[rule]]\nname = 'a b'\nchannels = [{kind='kafka', topic='a'}]", "name"),
        ("[[rule]]\nchannels = [{kind='kafka', topic='a'}]", "name"),
        ("[[rule]]\nname = 'a'", "channels"),
        ("rules = 1", "[[rule]]"),
        ("[[rule", "CLOUT_ALERT_RULES"),
    ],
)
def test_a_file_with_a_bad_rule_is_refused_with_its_field(tmp_path: Path, text: str, named: str) -> None:
    """Before anything is started."""
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_rules(path, CHECKS)
    assert named in str(refused.value)


def test_a_file_is_read_anew_and_a_bad_change_changes_nothing(tmp_path: Path) -> None:
    """The rules before stay in force."""
    path = tmp_path / "rules.toml"
    good = "[[rule]]\nname = '{}'\nchannels = [{{kind='kafka', topic='a'}}]\n"
    path.write_text(good.format("a"))
    times = iter(range(0, 1000, 10))
    rules = RulesFile(str(path), CHECKS, lambda: float(next(times)))
    path.write_text(good.format("a") + good.format("bb"))
    rules.refresh()
    assert [each.name for each in rules.rules] == ["a", "bb"]
    path.write_text("[[rule")
    rules.refresh()
    assert [each.name for each in rules.rules] == ["a", "bb"]
    assert RulesFile("", CHECKS).rules == []


def test_only_administrators_speak_through_the_deployments_servers() -> None:
    """And secrets are made, and not shown again."""
    through_kafka = rule(channels=[KafkaChannel("a")])
    assert CHECKS.rule(through_kafka, is_admin=True) is None
    assert CHECKS.rule(through_kafka, is_admin=False) is not None
    made = with_secrets(rule(channels=[WebhookChannel("https://a.example")]))
    assert "whsec_" in str(made.channels)
    assert "whsec_" not in str(without_secrets(made).channels)
