"""The changelog as a whole: what it must hold before anybody goes on with its rows."""

import numpy as np
from aiokafka import TopicPartition
from numpy.typing import NDArray

from pipeline.errors import ChangelogLostError
from pipeline.settings import Settings
from pipeline.state.restore import Restore
from pipeline.topics import CHANGELOG


def changelog_of(settings: Settings, number: int) -> TopicPartition:
    """Return the changelog of one partition."""
    return TopicPartition(settings.topic_prefix + CHANGELOG.name, number)


def require_beginning(settings: Settings, begins: dict[TopicPartition, int]) -> None:
    """
    Make sure that no changelog was trimmed.

    Compaction leaves the first offset as it is: whatever moves it, takes rows away. Which ones nobody knows.

    Raises:
        ChangelogLostError: One begins later than at offset 0.
    """
    for partition, begin in begins.items():
        if begin > 0:
            raise ChangelogLostError(
                f"the changelog {partition.topic} of partition {partition.partition} begins at offset {begin}: what "
                "stood before it was removed, by a retention or by hand, and rows with it. Its cleanup.policy must be "
                "compact and nothing else. Restore a snapshot under another CLOUT_TOPIC_PREFIX, or stop all "
                f"workers and delete {partition.topic} and the group {settings.topic_prefix}worker, so that the log is "
                "folded anew"
            )


def require_rows(restore: Restore, settings: Settings, committed: NDArray[np.int64]) -> None:
    """
    Make sure that a changelog that was read holds what was committed of its partition.

    Args:
        restore: What was read.
        settings: Whose changelog.
        committed: int64[sources], the group's committed offsets; 0 where there is none.

    Raises:
        ChangelogLostError: It holds nothing of a partition that was folded.
    """
    if committed.any() and not restore.is_known:
        number = restore.partition.number
        raise ChangelogLostError(
            f"partition {number} was folded and committed, but its changelog {changelog_of(settings, number).topic} "
            "holds nothing of it: it was deleted, and the rows with it. Restore a snapshot under another "
            f"CLOUT_TOPIC_PREFIX, or delete the group {settings.topic_prefix}worker, so that the log is folded anew"
        )
