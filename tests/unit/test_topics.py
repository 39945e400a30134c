"""The topics of the contract."""

from pipeline.state.sources import SOURCES
from pipeline.topics import KIND_TOPICS, TOPICS, TopicSpec
from schemas import KINDS


def test_every_kind_has_its_topic() -> None:
    """Likes, shares, comments and follows travel apart."""
    assert set(KIND_TOPICS) == set(KINDS)
    assert len(set(KIND_TOPICS.values())) == len(KINDS)


def test_the_worker_folds_topics_that_exist() -> None:
    """Each input topic is created by this program."""
    assert set(SOURCES) <= {spec.name for spec in TOPICS}


def test_sources_are_kept_longer_than_the_longest_window() -> None:
    """Everything can be rebuilt from the log."""
    retention = {spec.name: spec.retention_days for spec in TOPICS}
    assert all((retention[name] or 0) > 90 for name in (*KIND_TOPICS.values(), "posts"))


def test_a_compacted_topic_keeps_late_writes_for_a_day() -> None:
    """A zombie's write must still be there when the new owner looks."""
    assert TopicSpec("scores", None).config() == {"cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"}
    assert TopicSpec("ticks", 1).config() == {"cleanup.policy": "delete", "retention.ms": "86400000"}
