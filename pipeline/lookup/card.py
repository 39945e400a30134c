"""What `clout score USER` and `clout explain USER` show of one user on a terminal."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.lookup.history.series import DAY_MS, HOUR_MS, Series
from pipeline.lookup.topics import topic_of
from schemas import Counts, Details, ScoreDocument

_BAR_WIDTH: Final = 28
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_GRAPH_STEP_MS: Final = 4 * HOUR_MS
"""A week in 42 columns."""
_FLAT: Final = 0.5
"""Points: a graph of a score that moves less is a line, not its noise enlarged."""


def score_card(document: ScoreDocument, series: Series, now: int) -> RenderableType:
    """
    Return all about one score.

    Args:
        document: The score.
        series: Its history.
        now: The event time that changes are counted up to, Unix ms.
    """
    parts: list[RenderableType] = [_head(document), _changes(document, series, now)]
    graph = _graph(series, now)
    if graph is not None:
        parts.append(graph)
    parts += [_factors(document), _engagement(document), _foot(document)]
    return Group(*(Padding(part, (0, 0, 1, 1)) for part in parts))


def explain_card(document: ScoreDocument | None, details: Details, scores: dict[str, float]) -> RenderableType:
    """Return who and what stands behind a score; `scores` of the actors, where they are known."""
    parts: list[RenderableType] = [] if document is None else [_head(document)]
    parts.append(
        _bars("what makes the score", "points", [(part.factor, part.points) for part in details.contributions])
    )
    if len(details.networks) > 1:
        parts.append(_bars("network", "points", [(part.network, part.points) for part in details.networks]))
    findings = _findings(details)
    if findings.row_count:
        parts.append(findings)
    if details.actors:
        actors = _table("who engages most", "times", "score")
        for actor in details.actors:
            known = scores.get(actor.actor)
            actors.add_row(Text(actor.actor), f"{actor.count:,}", "-" if known is None else f"{known:.2f}")
        parts.append(actors)
    if details.posts:
        posts = _table("posts that earned most", "times")
        for post in details.posts:
            posts.add_row(Text(post.object), f"{post.count:,}")
        parts.append(posts)
    if details.tags:
        tags = _table("tags that earned most", "times")
        tags.add_column("topic")
        for tag in details.tags:
            topic = topic_of(tag.tag)
            tags.add_row(Text(tag.tag), f"{tag.count:,}", Text(topic.name if topic else "-"))
        parts.append(tags)
    return Group(*(Padding(part, (0, 0, 1, 1)) for part in parts))


def _findings(details: Details) -> Table:
    """Return what is strong and weak, what is doubted, what would help and what silence brings, a line each."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for text in details.strengths:
        table.add_row(Text("strong", style="green"), text)
    for text in details.weaknesses:
        table.add_row(Text("weak", style="red"), text)
    for part in details.discounts:
        table.add_row(Text("doubted", style="yellow"), f"{part.signal}: {part.share:.0%} less authenticity")
    if details.advice is not None:
        points = Text(f" {details.advice.points:+.1f} points", style="green")
        table.add_row(Text("would help", style="cyan"), Text(details.advice.what).append_text(points))
    if details.fading is not None:
        day, week = details.fading.day, details.fading.week
        table.add_row(Text("in silence", style="dim"), f"-{day:.1f} points within a day, -{week:.1f} within a week")
    return table


def moved(change: float | None) -> Text:
    """Return a change with its sign, in green or red; a dash where it is not known."""
    if change is None:
        return Text("-", style="dim")
    return Text(f"{change:+.2f}", style="green" if change > 0 else "red" if change < 0 else "dim")


def time_text(milliseconds: int) -> str:
    """Return a moment in UTC as people write it."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def sparkline(values: Sequence[float]) -> str:
    """Return values as bars of eight heights, from the least to the greatest; a level line where they hardly differ."""
    low, high = min(values), max(values)
    if high - low < _FLAT:
        return _LEVELS[3] * len(values)
    return "".join(_LEVELS[min(7, int((value - low) / (high - low) * 8))] for value in values)


def bar(share: float, width: int = _BAR_WIDTH) -> str:
    """Return a bar of `share` (0 to 1) of `width` columns, exact to an eighth of one."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _head(document: ScoreDocument) -> Text:
    name = document.name or document.handle
    line = Text.assemble((name, "bold"), "  ", (document.user, "dim"), "\n")
    line.append(f"{document.score:.2f}", style="bold cyan")
    line.append(f"  bucket {document.bucket}, above {document.percentile:.1f} % of people")
    return line


def _changes(document: ScoreDocument, series: Series, now: int) -> Text:
    changes = series.changes(now, document.score)
    last = None if document.previous is None else round(document.score - document.previous, 2)
    named = (("last", last), ("day", changes.day), ("week", changes.week), ("month", changes.month))
    line = Text()
    for name, change in named:
        line.append_text(Text.assemble((f"{name} ", "dim"), moved(change), "   "))
    return line


def _graph(series: Series, now: int) -> Text | None:
    """Return the score of the last week, as far as it is known; None while there is only one point."""
    times = range(now - 7 * DAY_MS + _GRAPH_STEP_MS, now + 1, _GRAPH_STEP_MS)
    known = [value for value in map(series.at, times) if value is not None]
    if len(series.points) < 2 or not known:
        return None
    span = Text.assemble((f"  {min(known):.2f} to {max(known):.2f} within {_span(len(known))}", "dim"))
    return Text(sparkline(known), style="cyan").append_text(span)


def _span(columns: int) -> str:
    hours = columns * _GRAPH_STEP_MS // HOUR_MS
    return f"{hours} h" if hours < 48 else f"{hours / 24:.0f} d"


def _factors(document: ScoreDocument) -> Table:
    factors = document.factors
    rows = (
        ("true reach", factors.true_reach),
        ("amplification", factors.amplification),
        ("network impact", factors.network_impact),
    )
    return _bars("factor", "of 100", rows, most=100.0)


def _bars(title: str, unit: str, rows: Sequence[tuple[str, float]], *, most: float = 0.0) -> Table:
    table = _table(title, unit)
    table.add_column()
    longest = most or max((abs(value) for _, value in rows), default=0.0) or 1.0
    for name, value in rows:
        drawn = Text(bar(abs(value) / longest), style="red" if value < 0 else "cyan")
        table.add_row(name.replace("_", " "), f"{value:.2f}", drawn)
    return table


def _engagement(document: ScoreDocument) -> Table:
    windows = document.engagement
    table = _table("engagement", "1 h", "24 h", "7 d", "90 d")
    for name in Counts.__struct_fields__:
        counts = (getattr(window, name) for window in (windows.hour, windows.day, windows.week, windows.quarter))
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def _foot(document: ScoreDocument) -> Text:
    *facts, networks, as_of = _facts(document)
    return Text("\n").join([Text("   ").join(facts), Text("   ").join([networks, as_of])])


def _facts(document: ScoreDocument) -> Iterator[Text]:
    facts = (
        ("engagers", f"{document.engagers:,}"),
        ("authenticity", f"{document.authenticity}"),
        ("confidence", f"{document.confidence:.2f}"),
        ("networks", ", ".join(f"{name} {part.score:.2f}" for name, part in document.networks.items())),
        ("as of", time_text(document.as_of)),
    )
    for name, value in facts:
        yield Text.assemble((f"{name} ", "dim"), value)


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(title, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table
