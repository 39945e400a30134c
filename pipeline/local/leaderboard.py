"""The leaderboard of the demo, read from Redis as any reader would."""

from typing import cast

import msgspec
from redis import Redis
from redis.exceptions import RedisError
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipeline.lookup import keys
from schemas import ScoreDocument, network_of

_decoder = msgspec.json.Decoder(ScoreDocument)


class Leaderboard:
    """The first users by score, and how many there are."""

    def __init__(self, redis_url: str, size: int) -> None:
        self._redis = Redis.from_url(redis_url, socket_timeout=1.0, socket_connect_timeout=1.0)
        self._size = size

    def render(self) -> Table | None:
        """Return the leaderboard as of now, or None while there is none to show."""
        try:
            leaders, users = self._read()
        except RedisError:
            return None
        return leaderboard_table(leaders, users) if leaders else None

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _read(self) -> tuple[list[ScoreDocument], int]:
        # Without scores the reply is a list of names.
        names = cast("list[bytes]", self._redis.zrange(keys.RANK, 0, self._size - 1, desc=True))
        if not names:
            return [], 0
        # A user may have been forgotten between the two commands.
        documents = self._redis.mget([keys.user(name.decode()) for name in names])
        return [_decoder.decode(value) for value in documents if value], self._redis.zcard(keys.RANK)


def leaderboard_table(leaders: list[ScoreDocument], users: int) -> Table:
    """Return the table of the leaders, the first of `users`."""
    title = f"The first {len(leaders)} of {users:,} users"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("", "score", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("network", no_wrap=True)
    # A long handle must not push the other columns off a terminal of 80.
    table.add_column("handle", no_wrap=True, max_width=24)
    for heading in ("last hour", "engagers"):
        table.add_column(heading, justify="right", no_wrap=True)
    for place, leader in enumerate(leaders, start=1):
        hour = leader.engagement.hour
        engagements = hour.likes + hour.shares + hour.comments + hour.follows
        table.add_row(
            str(place),
            f"{leader.score:.1f}",
            _change(leader),
            Text(network_of(leader.user)),
            Text(leader.handle),
            f"{engagements:,}",
            f"{leader.engagers:,}",
        )
    return table


def _change(document: ScoreDocument) -> Text:
    if document.previous is None:
        return Text("new", style="dim")
    change = document.score - document.previous
    return Text(f"{change:+.1f}", style="green" if change > 0 else "red" if change < 0 else "dim")
