"""The oracle's own logic: which documents are newest, to which offsets they belong, what is compared."""

from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from pipeline.log_runs import Log
from pipeline.replay import Oracle
from pipeline.replay_report import Report
from pipeline.score_log import Emitted, newest_documents
from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.sources import SOURCES
from tests.unit.state.log import DAY, FOREVER, NOW, columns, crowd, documents, engagement, fold, folded, log_of


def replayed(log: object) -> dict[str, Log]:
    """Return a log as the oracle reads it."""
    logs = {}
    for source, name in enumerate(SOURCES):
        run = log.run(source, 0)  # type: ignore[attr-defined]
        times = run.timestamps.tolist()
        logs[name] = Log(
            0,
            run.offsets.tolist(),
            times,
            list(run.keys),
            list(run.values),
            [()] * len(run),
            list(accumulate(times, max)),
        )
    return logs


def scores(*records: tuple[str, int, dict[str, int]]) -> Log:
    """Return a scores topic: the user, the version and the offsets of each record; version -1 is a tombstone."""
    log = Log()
    for offset, (user, version, offsets) in enumerate(records):
        document = documents(folded(engagement(target=user)))[user]
        value = msgspec.json.encode(msgspec.structs.replace(document, version=version)) if version >= 0 else None
        log.offsets.append(offset)
        log.timestamps.append(0)
        log.keys.append(user.encode())
        log.values.append(value)
        log.headers.append((("offsets", msgspec.json.encode(offsets)),))
    return log


def test_the_newest_document_of_each_user_is_the_one_of_the_highest_version() -> None:
    """Not the last in the topic: a zombie may have written after the owner. Of equal ones the last."""
    log = scores(
        ("n:a", 5, {"likes": 5}), ("n:b", 6, {"likes": 6}), ("n:a", 3, {"likes": 3}), ("n:b", 6, {"shares": 6})
    )
    newest = newest_documents(log)
    assert {user: document.version for user, (document, _, _) in newest.items()} == {b"n:a": 5, b"n:b": 6}
    assert newest[b"n:a"][1] == {"likes": 5}
    assert newest[b"n:b"][1:] == ({"shares": 6}, log.values[3])


def test_a_tombstone_takes_a_document_back() -> None:
    """A record without a key is none."""
    log = scores(("n:a", 5, {"likes": 5}), ("n:b", 6, {"likes": 6}), ("n:a", -1, {}), ("n:b", -1, {}))
    log.keys[3] = None
    assert list(newest_documents(log)) == [b"n:b"]


def test_the_oracles_fold_is_the_states() -> None:
    """Read as a replay reads it, a log gives what the partition gives; folded in two steps, too."""
    log = log_of(*crowd(300), *crowd(5, target="n:small"))
    truth, _ = fold(log)
    logs = replayed(log)
    part = Partition(0, FOREVER)
    Oracle._fold(part, logs, {name: log.end(source) // 2 for source, name in enumerate(SOURCES)})
    Oracle._fold(part, logs, {name: log.end(source) for source, name in enumerate(SOURCES)})
    assert columns(part) == columns(truth)
    assert part.version == truth.version


def test_documents_that_are_what_the_log_says_are_clean() -> None:
    """The time of computation and the score before do not matter."""
    part = folded(*crowd(300), *crowd(5, target="n:small"))
    report = Report()
    held = [msgspec.structs.replace(d, time=77, previous=3.0) for d in documents(part).values()]
    Oracle._compare(part, held, report)
    assert (report.compared, report.differences, report.clean) == (2, [], True)


def test_a_document_scored_at_a_later_moment_is_compared_at_that_moment() -> None:
    """Its `as_of` says when: the log is scored then, not at its own last event."""
    part = folded(*crowd(300))
    later = part.as_of + 3 * 86_400_000
    report = Report()
    Oracle._compare(part, list(documents(part, later).values()), report)
    assert report.clean
    assert documents(part, later) != documents(part)


def test_every_difference_is_named() -> None:
    """The user, the field, what is held and what the log says; users that the log does not know, too."""
    part = folded(*crowd(5))
    document = documents(part)["bluesky:target"]
    report = Report()
    wrong = msgspec.structs.replace(document, score=99.0, engagers=1)
    Oracle._compare(part, [wrong, msgspec.structs.replace(document, user="n:nobody")], report)
    assert len(report.differences) == 3
    assert any("bluesky:target" in text and "score" in text and "99.0" in text for text in report.differences)
    assert any("n:nobody" in text for text in report.differences)
    assert not report.clean


def test_what_was_compared_is_not_behind() -> None:
    """A row is behind when something happened to it after its newest document."""
    part = folded(*crowd(5), *crowd(5, target="n:other"))
    Oracle._compare(part, [documents(part)["n:other"]], Report())
    owed = {part.ids[row] for row in np.flatnonzero(part.owed[: len(part)])}
    assert owed == {b"bluesky:target"}


def test_who_is_behind_is_found_though_two_owners_folded_in_different_orders() -> None:
    """Each owner's documents are compared in a fold of their own; a record without effect leaves nobody behind."""
    likes = [engagement(target=user, kind="like") for user in ("n:w", "n:v", "n:x")]
    shares = [engagement(target=user, kind="share") for user in ("n:u", "n:u", "n:w", "n:late")]
    again = engagement(target="n:v", kind="share", id="again")
    log = log_of(*likes, again, *shares, again)
    newest = {
        **emitted(log, "n:u", likes=0, shares=2),
        **emitted(log, "n:v", likes=2, shares=2),
        **emitted(log, "n:w", likes=1, shares=4),
        **emitted(log, "n:x", likes=3, shares=1),
    }
    report = Report()
    Oracle(Settings(_env_file=None))._check_partition(0, replayed(log) | {"spikes": Log()}, newest, report)
    assert report.differences == []
    assert (report.behind, report.missing) == (["n:u"], ["n:late"])


def test_who_was_only_engaged_with_too_late_is_missed_by_nobody() -> None:
    """Nothing of theirs counts, so no worker has sent a document."""
    log = log_of(engagement(target="n:u"), engagement(target="n:late", time=NOW - 200 * DAY))
    report = Report()
    Oracle(Settings(_env_file=None))._check_partition(0, replayed(log) | {"spikes": Log()}, {}, report)
    assert (report.behind, report.missing) == ([], ["n:u"])


def emitted(log: Any, user: str, **offsets: int) -> dict[bytes, Emitted]:
    """Return the document of a user as an owner emitted it that had folded this much."""
    part = Partition(0, FOREVER)
    Oracle._fold(part, replayed(log), offsets)
    return {user.encode(): Emitted(documents(part)[user], offsets, b"")}
