"""The leaderboard of the demo."""

import io
from pathlib import Path

import msgspec
from rich.console import Console

from pipeline.local.leaderboard import Leaderboard, leaderboard_table
from schemas import ScoreDocument
from schemas.generate import EXAMPLES
from tests.support.ports import free_port


def document(example: Path, **changes: object) -> ScoreDocument:
    """Return an example's score document, changed."""
    return msgspec.structs.replace(msgspec.json.decode(example.read_bytes(), type=ScoreDocument), **changes)


def shown(*leaders: ScoreDocument) -> str:
    """Return the leaderboard as a terminal of 80 columns shows it."""
    stream = io.StringIO()
    Console(file=stream, width=80).print(leaderboard_table(list(leaders), 1234))
    return stream.getvalue()


def test_every_column_fits_a_terminal_of_80() -> None:
    """A handle may be as long as it likes: the score stays readable."""
    text = shown(document(EXAMPLES / "score.json", handle="x" * 200, user="mastodon:" + "x" * 200))
    for part in ("The first 1 of 1,234 users", "score", "mastodon", "43.2", "+0.2", "1,204", "engagers"):
        assert part in text
    assert len(text.splitlines()) == len(shown(document(EXAMPLES / "score.json")).splitlines())


def test_a_first_score_is_new() -> None:
    """Without a previous score there is no change to show."""
    assert "new" in shown(document(EXAMPLES / "score.new.json"))


def test_there_is_no_leaderboard_while_redis_is_away() -> None:
    """The demo shows what it last knew instead of failing."""
    leaderboard = Leaderboard(f"redis://127.0.0.1:{free_port()}/0", 10)
    assert leaderboard.render() is None
    leaderboard.close()
