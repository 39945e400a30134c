"""What a changelog must hold: one that lost rows is refused, with what to do."""

import numpy as np
import pytest

from pipeline.changelog import changelog_of, require_beginning, require_rows
from pipeline.errors import ChangelogLostError
from pipeline.settings import Settings
from pipeline.state.codec import encode_meta
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCES

SETTINGS = Settings(_env_file=None, topic_prefix="t.")

FOLDED = np.arange(len(SOURCES))


def test_a_changelog_that_begins_at_its_beginning_is_whole() -> None:
    """An empty one, too: that its rows are gone is another matter."""
    require_beginning(SETTINGS, {changelog_of(SETTINGS, number): 0 for number in range(3)})


def test_one_that_begins_later_was_trimmed() -> None:
    """The error names the topic, the partition, the offset, the cause and both ways out."""
    begins = {changelog_of(SETTINGS, 0): 0, changelog_of(SETTINGS, 2): 7}
    with pytest.raises(ChangelogLostError) as told:
        require_beginning(SETTINGS, begins)
    said = str(told.value)
    assert said.startswith("the changelog t.worker-engagement-changelog of partition 2 begins at offset 7: ")
    assert "cleanup.policy must be compact" in said
    assert "Restore a snapshot under another CLOUT_TOPIC_PREFIX" in said
    assert "delete t.worker-engagement-changelog and the group t.worker" in said


def test_a_partition_that_was_committed_has_its_own_record() -> None:
    """Without it nothing was ever written, or all of it is gone: the offsets say which."""
    restore = Restore(Partition(1))
    require_rows(restore, SETTINGS, np.zeros(len(SOURCES), np.int64))
    with pytest.raises(ChangelogLostError, match=r"partition 1 .* holds nothing of it: .* delete the group t\.worker"):
        require_rows(restore, SETTINGS, FOLDED)
    restore.add(*Packed.of_pairs([encode_meta(Partition(1), 1)]))
    require_rows(restore, SETTINGS, FOLDED)
