"""What the reading commands print: tables on a terminal, lines of tab-separated fields in a pipe."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.lookup import keys
from pipeline.lookup.card import explain_card, score_card, time_text
from pipeline.lookup.connection import connect
from pipeline.lookup.history.series import Series
from pipeline.lookup.hub import Hub
from pipeline.lookup.store import ScoreStore
from pipeline.lookup.stream import Entry, Stream
from pipeline.lookup.subscriber import Wish
from schemas import Details, ScoreDocument

_WATCH_TIMEOUT_S: Final = 5.0
_WAIT_S: Final = 60.0
_TEXT_COLUMNS: Final = frozenset({"user", "handle", "bucket", "as of", "factor", "actor", "post", "tag"})

_decode_document = msgspec.json.Decoder(ScoreDocument).decode
_decode_details = msgspec.json.Decoder(Details).decode


async def show_scores(redis_url: str, users: Sequence[str]) -> int:
    """
    Print the score of each user, with its changes; return 1 when one has none.

    On a terminal, all about the score of a single user.
    """
    names = [keys.AS_OF, *map(keys.user, users), *map(keys.history, users)]
    async with aclosing(ScoreStore.from_url(redis_url)) as store:
        as_of, *values = await store.values(names)
    found = [
        (_decode_document(document) if document else None, Series.decode(history))
        for document, history in zip(values[: len(users)], values[len(users) :], strict=True)
    ]
    now = int(as_of or 0)
    document, series = found[0] if len(found) == 1 else (None, Series([]))
    if document is not None and sys.stdout.isatty():
        Console().print(score_card(document, series, max(now, document.as_of)))
    else:
        columns = ("user", "score", "previous", "bucket", "engagers", "as of", "day", "week", "month")
        _print(columns, [_score_row(user, *known, now) for user, known in zip(users, found, strict=True)])
    return 0 if all(document for document, _ in found) else 1


async def show_top(redis_url: str, network: str | None, limit: int) -> int:
    """Print a leaderboard."""
    async with aclosing(ScoreStore.from_url(redis_url)) as store:
        page = await store.top(limit, network)
    rows = []
    for entry in page:
        document = _decode_document(entry.document)
        rows.append((str(entry.rank), entry.user, document.handle, f"{entry.score:.2f}", str(document.engagers)))
    _print(("rank", "user", "handle", "score", "engagers"), rows)
    return 0


async def show_details(redis_url: str, user: str) -> int:
    """Print what stands behind a score; return 1 when nothing is known."""
    async with aclosing(ScoreStore.from_url(redis_url)) as store:
        document, stored = await store.values([keys.user(user), keys.details(user)])
        if stored is None:
            sys.stderr.write(f"clout: no details are known of {user}\n")
            return 1
        details = _decode_details(stored)
        actors = [entry.actor for entry in details.actors]
        scores = {actor: score for actor, score in zip(actors, await store.scores(actors), strict=True) if score}
    if sys.stdout.isatty():
        Console().print(explain_card(_decode_document(document) if document else None, details, scores))
        return 0
    _print(("factor", "points"), [(entry.factor, f"{entry.points:+.2f}") for entry in details.contributions])
    _print(("network", "points"), [(entry.network, f"{entry.points:+.2f}") for entry in details.networks])
    _print(("finding", ""), _findings(details))
    _print(("actor", "engagements"), [(entry.actor, str(entry.count)) for entry in details.actors])
    _print(("post", "engagements"), [(entry.object, str(entry.count)) for entry in details.posts])
    _print(("tag", "engagements"), [(entry.tag, str(entry.count)) for entry in details.tags])
    return 0


async def show_moments(redis_url: str, user: str) -> int:
    """Print the posts that earned most, the most points first; return 1 when nothing is known."""
    async with aclosing(ScoreStore.from_url(redis_url)) as store:
        stored = await store.details(user)
    if stored is None:
        sys.stderr.write(f"clout: no moments are known of {user}\n")
        return 1
    rows = [
        (each.object, f"{each.points:+.2f}", str(each.hour), str(each.day), str(each.week), str(each.quarter))
        for each in _decode_details(stored).moments
    ]
    _print(("post", "points", "1h", "24h", "7d", "90d"), rows)
    return 0


async def show_changes(redis_url: str, wish: Wish) -> int:
    """Print changes until interrupted, or until Redis is away at the start."""
    async with aclosing(ScoreStore.from_url(redis_url)) as store:
        await store.ping()
    redis = connect(redis_url, _WATCH_TIMEOUT_S)
    hub = Hub(Stream(redis, keys.CHANGES))
    hub.start()
    try:
        await hub.started()
        subscriber = hub.subscribe(wish, "command")
        while True:
            for entry in await subscriber.take(_WAIT_S):
                _print_change(entry)
            sys.stdout.flush()
    except BrokenPipeError:
        # `clout watch | head`: the reader has had enough. Nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        await hub.close()
        await redis.aclose()


def _findings(details: Details) -> list[tuple[str, str]]:
    rows = [("strength", text) for text in details.strengths]
    rows += [("weakness", text) for text in details.weaknesses]
    rows += [("discount", f"{entry.signal}: {entry.share:.0%} of the authenticity") for entry in details.discounts]
    if details.advice is not None:
        rows.append(("advice", f"{details.advice.what} That would be {details.advice.points:+.1f} points."))
    if details.fading is not None:
        day, week = details.fading.day, details.fading.week
        rows.append(("outlook", f"In silence the score loses {day:.1f} points within a day, {week:.1f} within a week."))
    return rows


def _score_row(user: str, document: ScoreDocument | None, series: Series, as_of: int) -> tuple[str, ...]:
    if document is None:
        return (user, *"--------")
    changes = series.changes(max(as_of, document.as_of), document.score)
    return (
        document.user,
        f"{document.score:.2f}",
        "-" if document.previous is None else f"{document.previous:.2f}",
        document.bucket,
        str(document.engagers),
        time_text(document.as_of),
        *(_change(change) for change in (changes.day, changes.week, changes.month)),
    )


def _change(change: float | None) -> str:
    return "-" if change is None else f"{change:+.2f}"


def _print_change(entry: Entry) -> None:
    change = entry.change
    if change is None:
        sys.stdout.write(f"{entry.kind}\t{entry.user or entry.data.decode()}\n")
        return
    moved = 0.0 if change.previous is None else change.score - change.previous
    line = (time_text(change.time), change.user, f"{change.score:.2f}", f"{moved:+.2f}", change.bucket)
    if not sys.stdout.isatty():
        sys.stdout.write("\t".join(line) + "\n")
        return
    Console().print(Text(f"{line[0]}  {line[2]:>6}  {line[3]:>7}  {change.user}"))


def _print(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in rows)
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in _TEXT_COLUMNS else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
