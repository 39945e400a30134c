"""The measures of the report, on cases that can be checked by hand, and the report on a small record."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.scoring.credit import NO_STAMP
from tests.validity import __main__ as command
from tests.validity.fold import features, stamp, windows_for
from tests.validity.higgs import fold
from tests.validity.measures import ndcg, overlap, ranks, spearman
from tests.validity.rankers import pagerank
from tests.validity.record import DAY, Record, read
from tests.validity.state import state_features


def record_of(rows: list[tuple[int, int, int]]) -> Record:
    """Return shares: (actor, target, seconds)."""
    actor, target, time = np.array(sorted(rows, key=lambda row: row[2]), np.int64).T
    return Record(actor, target, time, np.full(len(rows), 1))


def write(path: Path, days: int = 3, users: int = 40) -> Path:
    """Write a record in which user u is engaged with by about u actors a day."""
    random = np.random.default_rng(5)
    lines = [
        f"{1_000 + random.integers(200)} {user} {1_340_000_000 + random.integers(days * DAY)} RT"
        for user in range(1, users)
        for _ in range(user * days)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def test_ties_share_the_mean_rank() -> None:
    """As Spearman's correlation wants it."""
    assert ranks(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]


def test_a_perfect_ranking_measures_one() -> None:
    """By every measure; the reverse -1 by Spearman, and a constant 0."""
    actual = np.arange(200.0)
    assert spearman(actual**2, actual) == pytest.approx(1)
    assert ndcg(actual, actual) == pytest.approx(1)
    assert overlap(actual, actual) == 1
    assert spearman(-actual, actual) == pytest.approx(-1)
    assert spearman(np.ones(200), actual) == 0


def test_ties_have_no_lucky_order() -> None:
    """A constant prediction has the NDCG of the mean gain, whatever the order of the users."""
    actual = np.array([5.0, 0.0, 0.0, 0.0])
    assert ndcg(np.ones(4), actual) == pytest.approx(ndcg(np.ones(4), actual[::-1]))
    assert ndcg(np.ones(4), actual) < 1


def test_pagerank_follows_the_influential() -> None:
    """Two users with one actor each: the one whose actor is listened to ranks higher."""
    record = record_of([(9, 1, 0), (8, 2, 0), *[(actor, 9, 0) for actor in range(20, 40)]])
    first, second = pagerank(record, np.array([1, 2]))
    assert first > second


def test_stamps_know_only_what_came_before() -> None:
    """The first action of the day is the 0th; the score of an actor comes from engagement before the action."""
    record = record_of([(1, 2, 0), (1, 3, 10), (1, 2, DAY), (2, 4, DAY + 1), (5, 4, DAY + 2)])
    stamps = stamp(record, windows_for(DAY))
    assert stamps.nth.tolist() == [0, 1, 0, 0, 0]
    assert stamps.age_days.tolist() == [0, 0, 1, 0, 0]
    assert stamps.score.tolist()[:3] == [NO_STAMP] * 3
    assert 0 < stamps.score[3] < 200
    assert stamps.score[4] == NO_STAMP


def test_engagement_is_mutual_once_the_target_has_engaged_with_the_actor() -> None:
    """Not with the target's answer itself, which the actor's engagement came before."""
    record = record_of([(1, 2, 0), (2, 1, 10), (1, 2, 20), (3, 2, 30)])
    assert stamp(record, windows_for(DAY)).mutual.tolist() == [False, True, True, False]


def test_a_fold_counts_distinct_actors() -> None:
    """Repetition makes no further engager, and what is later than the cut-off does not exist."""
    folded = fold(record_of([(1, 2, 0), (1, 2, 5), (3, 2, 6), (4, 2, 50), (2, 1, 7)]), until=10)
    assert folded.users.tolist() == [1, 2]
    assert folded.features.engagers.tolist() == [1, 2]
    assert folded.features.top.tolist() == [1, 2]


def test_the_short_cut_for_stamps_sees_what_the_state_sees(tmp_path: Path) -> None:
    """With few actors, whom the state knows exactly: reach and impact agree, and counts; worth to a slice."""
    record = read(write(tmp_path / "record.txt"))
    windows, until = windows_for(3 * DAY), int(record.time[-1]) + 1
    stamps = stamp(record, windows)
    short, state = (function(record, stamps, windows, until) for function in (features, state_features))
    assert short.users.tolist() == state.users.tolist()
    np.testing.assert_allclose(short.features.reach, state.features.reach, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(short.features.impact, state.features.impact, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(short.features.worth, state.features.worth, rtol=0.25, atol=1)
    np.testing.assert_array_equal(short.features.engagers, state.features.engagers)
    np.testing.assert_array_equal(short.features.counts[:, 3], state.features.counts[:, 3])


def test_twins_and_self_interactions_are_dropped(tmp_path: Path) -> None:
    """A reply is listed as a mention, too; a lone mention stands."""
    path = tmp_path / "record.txt"
    path.write_text("1 2 5 MT\n1 2 5 RE\n3 3 6 RT\n4 2 7 MT\n", encoding="ascii")
    record = read(path)
    assert list(zip(record.actor, record.target, record.time, record.kind, strict=True)) == [(1, 2, 5, 2), (4, 2, 7, 2)]


def test_the_report_is_written_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables on the terminal; JSON and charts in build/."""
    monkeypatch.chdir(tmp_path)
    data = write(tmp_path / "record.txt")
    monkeypatch.setattr("sys.argv", ["validity", "--data", str(data), "--cutoffs", "1,1.5"])
    assert command.main() == 0
    assert "clout" in capsys.readouterr().out
    (first, second) = json.loads((tmp_path / "build" / "validity.json").read_text())["higgs"]
    assert (first["cutoff_days"], second["cutoff_days"]) == (1.0, 1.5)
    assert set(first["rankers"]["clout"]) == {"spearman", "ndcg100", "top100"}
    assert first["rankers"]["clout"]["spearman"] > 0.8
    assert "pagerank" in second["rankers"]
    assert (tmp_path / "build" / "validity-spearman.svg").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("1 2 3\n", ":1: expected"), ("", "no interaction"), ("1 2 5 RT\n3 2 9 RT\n", "outside the record")],
)
def test_what_cannot_be_reported_on_is_said(
    content: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line that is none, an empty file, a cut-off outside."""
    path = tmp_path / "record.txt"
    path.write_text(content, encoding="ascii")
    monkeypatch.setattr("sys.argv", ["validity", "--data", str(path)])
    assert command.main() == 2
    assert message in capsys.readouterr().err
