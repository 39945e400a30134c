"""The agent `bluesky` under the load of ten Blueskys, and a server that stalls."""

from pathlib import Path

import pytest

from pipeline.local.guard import Guard
from tests.bench.jetstream import SECONDS, STALLS_S, listen
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]


@pytest.mark.parametrize("stall_s", STALLS_S)
def test_ten_blueskys_for_a_minute(cluster: Cluster, guard: Guard, tmp_path: Path, stall_s: int) -> None:
    """One core is enough, memory is bounded, and nothing is lost, also when the server stalls and comes back."""
    heard = listen(cluster, guard, tmp_path, stall_s)
    print(heard)
    assert heard.logged == heard.expected
    assert heard.cpu_s < SECONDS
    assert heard.peak_mb < 400
