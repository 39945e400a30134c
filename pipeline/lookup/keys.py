"""Every key that this program has in Redis, in one place."""

from typing import Final

RANK: Final = "clout:rank"
"""Sorted set: every user by score."""
CHANGES: Final = "clout:changes"
"""Stream, trimmed: what subscribers of scores get."""
SPIKES: Final = "clout:spikes"
"""Stream, trimmed: what subscribers of spikes get."""
SPIKED: Final = "clout:spiked"
"""Hash: the newest spike of each user, so that none is told twice."""
AS_OF: Final = "clout:as-of"
"""String: the greatest event time of all scores, Unix ms: what changes of scores are counted up to."""
HISTORY_OUTBOX: Final = "clout:history-outbox"
"""Stream: what `clout.history` has not been told yet."""
SINK: Final = "clout:sink"
"""Hash: how far the sinks have read each partition, and how fresh Redis is."""
HEADS: Final = "clout:heads"
"""Hash, for sinks and exports: version, score, handle and networks of each document, so that it need not be read."""
NETWORKS: Final = "clout:networks"
"""Set: every network that a user with a score has, by the user's id."""

LIVE_LANE: Final = "live"
"""The sink's lane that writes scores: its progress says how fresh they are."""


CONTROL: Final = "clout:control"
"""Hash: the control records by their id, mirrored from the topic."""


def user(user_id: str) -> str:
    """Return the key of a score document (a string: the bytes of the record)."""
    return f"clout:user:{user_id}"


def rank(network: str | None = None) -> str:
    """Return the key of the leaderboard of one network, or of all."""
    return f"clout:rank:{network}" if network else RANK


def history(user_id: str) -> str:
    """Return the key of a user's score over time."""
    return f"clout:history:{user_id}"


def details(user_id: str) -> str:
    """Return the key of a details document (a string: the bytes of the record)."""
    return f"clout:details:{user_id}"


def influencers(user_id: str) -> str:
    """Return the key of the sorted set of those whom a user engages with."""
    return f"clout:influencers:{user_id}"


def topic(slug: str) -> str:
    """Return the key of the sorted set of a topic's users by score; its slug is `topics.topic_of(tag).slug`."""
    return f"clout:topic:{slug}"


def topics(user_id: str) -> str:
    """Return the key of the slugs of a user's topics, for the sinks alone: which sorted sets to keep."""
    return f"clout:topics:{user_id}"


def identity(account: str) -> str:
    """Return the key of the person that an account belongs to."""
    return f"clout:identity:{account}"


def handle(network: str, name: str) -> str:
    """
    Return the key of the user behind a handle, which is not told apart by case.

    Of several users with one handle it names the last who took it.
    """
    return f"clout:handle:{network}:{name.lower()}"


def kloutid(number: int | str) -> str:
    """Return the key of the user behind a Klout-compatible numeric id."""
    return f"clout:kloutid:{number}"


ALERTER: Final = "clout:alerter"
"""Hash: how far the alerter has read each partition."""
ALERTS: Final = "clout:alerts"
"""Hash: what the alerter remembers: which alerts are open, which wait in a group, when agents ticked last."""


def delivery(delivery_id: str) -> str:
    """Return the key of a delivery (a string: JSON)."""
    return f"clout:delivery:{delivery_id}"


def delivery_lease(destination: str) -> str:
    """Return the key that is there while an engine has claimed a destination."""
    return f"clout:deliveries:lease:{destination}"


def delivery_log(source: str) -> str:
    """Return the key of the ids of the deliveries of a subscription or rule (a list, the newest first)."""
    return f"clout:deliveries:log:{source}"


def alert_log(owner: str) -> str:
    """Return the key of the alerts of an owner's rules (a list, the newest first)."""
    return f"clout:alerts:log:{owner}"


def limit(name: str) -> str:
    """Return the key of a token bucket: of an API key or of an address."""
    return f"clout:limit:{name}"


def token(digest: str) -> str:
    """Return the key of a short-lived token, by its hash (a string: the id of the API key)."""
    return f"clout:token:{digest}"


def offset_field(topic: str, partition: int) -> str:
    """Return the field of `SINK` that holds the next offset of a partition."""
    return f"{topic}/{partition}"


def rebuilding_field(lane: str) -> str:
    """Return the field of `SINK` that is there while what a lane writes is being filled from the beginning."""
    return f"rebuilding/{lane}"


def caught_up_field(lane: str) -> str:
    """Return the field of `SINK` that holds when Redis last had all of a lane's topics, Unix ms."""
    return f"caught_up/{lane}"
