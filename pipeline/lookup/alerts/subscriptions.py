"""Which subscriptions want to be told of a score or a spike, and in which words."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pipeline.control.table import ControlTable
from pipeline.lookup.delivery.delivery import Delivery, message_id
from schemas import ApiKey, Control, Spike, Subscription, WebhookChannel

OLD_MS: Final = 600_000
"""What is older is told to nobody: a backlog or a replay wakes nobody."""


class ScoreNews(msgspec.Struct, frozen=True, gc=False):
    """What of a score document matters here."""

    user: str
    score: float
    previous: float | None
    bucket: str
    version: int
    time: int
    as_of: int


class Subscriptions:
    """The subscriptions in force, by the users that they want."""

    def __init__(self, table: ControlTable) -> None:
        self._table = table
        self._by_user: dict[str, list[Subscription]] = {}
        self._everyone: list[Subscription] = []
        self.want_scores = False
        self._stale = True
        table.listen(self._changed)

    def _changed(self, _: str, record: Control | None) -> None:
        self._stale = self._stale or record is None or isinstance(record, Subscription)

    def refresh(self) -> None:
        """Take up what changed; call it before a batch."""
        if not self._stale:
            return
        self._stale = False
        self._by_user, self._everyone, self.want_scores = {}, [], False
        for each in self._table.all(Subscription):
            if each.disabled is not None:
                continue
            self.want_scores |= "score" in each.events or "threshold" in each.events
            if each.users is None:
                self._everyone.append(each)
            for user in each.users or ():
                self._by_user.setdefault(user, []).append(each)

    def wants(self, user: str) -> bool:
        """Tell whether anybody wants a user, before the record is decoded."""
        return bool(self._everyone) or user in self._by_user

    def of_score(self, news: ScoreNews, now: int) -> Iterator[Delivery]:
        """Yield what a new score must be told by."""
        previous = news.previous
        if previous is None or now - news.time > OLD_MS:
            return
        data = {name: value for name, value in msgspec.structs.asdict(news).items() if name != "time"}
        for each in self._of(news.user):
            if "score" in each.events and abs(news.score - previous) >= each.min_delta:
                yield _delivery(each, "score.changed", news.time, data, (news.user, news.version, "score"), now)
            line = each.threshold
            if "threshold" in each.events and line is not None and (previous < line) != (news.score < line):
                told = {**data, "threshold": line, "direction": "up" if news.score >= line else "down"}
                yield _delivery(each, "score.threshold", news.time, told, (news.user, news.version, "line"), now)

    def of_spike(self, spike: Spike, now: int) -> Iterator[Delivery]:
        """Yield what a spike must be told by; each status and level of it once."""
        if now - spike.time > OLD_MS:
            return
        for each in self._of(spike.user):
            if "spike" in each.events:
                parts = (spike.id, spike.status, spike.level)
                yield _delivery(each, f"spike.{spike.status}", spike.time, msgspec.to_builtins(spike), parts, now)

    def _of(self, user: str) -> list[Subscription]:
        return [*self._everyone, *self._by_user.get(user, ())]


def test_delivery(subscription: Subscription, now: int) -> Delivery:
    """Return what the test button sends."""
    return _delivery(subscription, "test", now, {"subscription": subscription.id}, ("test", now), now)


def unwanted(table: ControlTable, delivery: Delivery, now: int) -> str | None:
    """Return why a subscription's delivery is not wanted any more, or None."""
    subscription = table.get(delivery.source, Subscription)
    if subscription is None:
        return "the subscription was deleted"
    if subscription.disabled is not None:
        return f"the subscription is disabled: {subscription.disabled}"
    return owner_flaw(table, subscription.owner, now)


def owner_flaw(table: ControlTable, owner: str, now: int) -> str | None:
    """Return why nothing is sent for an owner any more, or None."""
    key = table.get(owner, ApiKey)
    if key is None or (key.expires is not None and key.expires <= now):
        return "the key that it belongs to was revoked or has expired"
    return None


def _delivery(
    to: Subscription, kind: str, time: int, data: dict[str, Any], parts: tuple[object, ...], now: int
) -> Delivery:
    moment = datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = msgspec.json.encode({"type": kind, "timestamp": moment, "data": data}).decode()
    channel = WebhookChannel(to.url, to.secret)
    return Delivery(message_id(to.id, *parts), to.owner, to.id, channel, body, kind, now)
