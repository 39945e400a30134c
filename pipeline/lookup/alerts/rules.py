"""What a rule says to an event: pure, so that `clout alerts test` says the same as the alerter."""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from pipeline.lookup.alerts.occasion import Event
from pipeline.lookup.alerts.subscriptions import OLD_MS
from schemas import AlertRule, Silence

Outcome = Literal["sent", "grouped", "silenced", "acknowledged", "old", "suppressed"]


class Alert(msgspec.Struct, frozen=True, gc=False):
    """What a rule has to tell of an event, and what became of it. The id is the same whenever the event is seen."""

    id: str
    rule: str
    owner: str
    event: Event
    outcome: Outcome
    time: int
    """Wall time, Unix ms."""
    detail: str = ""


class Told(msgspec.Struct, frozen=True, gc=False):
    """What a rule has told of an event that is still open."""

    level: int
    is_sent: bool


def matches(rule: AlertRule, event: Event, score: float | None) -> bool:
    """
    Tell whether a rule is about an event.

    Args:
        rule: In force.
        event: Of any status.
        score: Of the event's user; None where it is not known.
    """
    if event.occasion not in rule.occasions:
        return False
    if rule.networks is not None and event.network not in rule.networks:
        return False
    if event.occasion == "silent_agent":
        return True
    return (
        (rule.users is None or event.user in rule.users)
        and (rule.above_score is None or (score is not None and score >= rule.above_score))
        and event.level >= rule.level
        and (event.is_organic or rule.authenticity == "suspicious")
    )


class Context(msgspec.Struct, frozen=True):
    """What else decides about an alert."""

    now: int
    silences: list[Silence] = []
    acknowledged: frozenset[tuple[str, str]] = frozenset()
    """(owner, spike)."""
    ticks_missing: str | None = None
    """Why drops of the event's network cannot be told from a dead agent, or None."""


def judge(rule: AlertRule, event: Event, told: Told | None, score: float | None, context: Context) -> Alert | None:
    """
    Return the alert that a rule makes of an event, or None where it has nothing to say.

    It tells of an event once for each level that is higher than the ones before, and of its end if it told of it.
    """
    if event.is_closed:
        if told is None:
            return None
        if not told.is_sent or not rule.tell_closed:
            return _alert(rule, event, context.now, "suppressed", "nothing was told that could be taken back")
    elif not matches(rule, event, score) or (told is not None and event.level <= told.level):
        return None
    return _alert(rule, event, context.now, *_outcome(rule, event, context))


def _outcome(rule: AlertRule, event: Event, context: Context) -> tuple[Outcome, str]:
    if context.now - event.time > OLD_MS:
        return "old", f"{(context.now - event.time) // 60_000} minutes old"
    if event.occasion == "drop" and context.ticks_missing is not None:
        return "suppressed", context.ticks_missing
    if (rule.owner, event.id) in context.acknowledged:
        return "acknowledged", ""
    for silence in context.silences:
        if silences(silence, rule, event, context.now):
            return "silenced", silence.id
    return "sent", ""


def silences(silence: Silence, rule: AlertRule, event: Event, now: int) -> bool:
    """Tell whether a silence is in force and about an alert."""
    return (
        silence.owner == rule.owner
        and silence.until > now
        and silence.rule in (None, rule.name)
        and silence.user in (None, event.user)
        and silence.network in (None, event.network)
    )


def _alert(rule: AlertRule, event: Event, now: int, outcome: Outcome, detail: str) -> Alert:
    step = "closed" if event.is_closed else str(event.level)
    return Alert(f"{rule.id}/{event.id}/{step}", rule.id, rule.owner, event, outcome, now, detail)


def group_of(rule: AlertRule, event: Event) -> str:
    """Return what an alert is grouped by."""
    return rule.id if rule.group_by == "rule" else f"{rule.id} {event.user or event.network}"


def rehearse(rule: AlertRule, events: Iterable[Event], scores: dict[str, float]) -> Iterator[Alert]:
    """
    Yield what a rule would have told of events of the past, each at the time of its event.

    Args:
        rule: Any.
        events: In the order they were found.
        scores: The users' scores of today: those of then are not kept.
    """
    told: dict[str, Told] = {}
    next_at: dict[str, int] = {}
    for event in events:
        alert = judge(rule, event, told.get(event.id), scores.get(event.user), Context(event.time))
        if alert is None:
            continue
        if event.is_closed:
            told.pop(event.id, None)
        else:
            told[event.id] = Told(event.level, alert.outcome == "sent")
        group = group_of(rule, event)
        if alert.outcome == "sent" and event.time < next_at.get(group, 0):
            yield msgspec.structs.replace(alert, outcome="grouped")
            continue
        if alert.outcome == "sent":
            next_at[group] = event.time + rule.group_s * 1000
        yield alert
