"""The reading commands, as a script uses them."""

import pytest

from tests.integration.test_lookup_api import store
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.unit.lookup.documents import details_bytes, score_bytes

pytestmark = pytest.mark.integration


def run(cluster: Cluster, *arguments: str, **changes: str) -> tuple[int, str]:
    """Run a command to its end and return its exit status and output."""
    process = cluster.run(*arguments, **changes)
    eventually(lambda: not process.is_running(), 60, "the command ends")
    return process.stop(), process.output()


def test_scores_and_leaders_are_lines_of_fields(cluster: Cluster, redis_url: str) -> None:
    """Tab-separated, so that `cut` and `awk` work."""
    store(redis_url, [score_bytes("x:a", 50.25), score_bytes("github:b", 60)], [details_bytes("x:a", {"x:c": 3})])
    status, output = run(cluster, "top", "--network", "x")
    assert (status, output.strip().split("\t")[:4]) == (0, ["1", "x:a", "a", "50.25"])
    status, output = run(cluster, "score", "x:a", "x:unknown")
    assert status == 1
    assert [line.split("\t")[:2] for line in output.splitlines()] == [["x:a", "50.25"], ["x:unknown", "-"]]
    status, output = run(cluster, "explain", "x:a")
    assert (status, output.splitlines()[-1]) == (0, "x:c\t3")


def test_changes_are_followed(cluster: Cluster, redis_url: str) -> None:
    """Each on a line of its own as it happens."""
    store(redis_url, [score_bytes("x:a", 50)])
    process = cluster.run("watch", "x:a")
    versions = iter(range(2, 1000))

    def moved() -> bool:
        store(redis_url, [score_bytes("x:a", 51.5, next(versions), previous=50.0)])
        return "x:a\t51.50\t+1.50\t50-59" in process.output()

    eventually(moved, 60, "a change is printed")
    process.stop()


@pytest.mark.parametrize("command", [("top",), ("score", "x:a"), ("watch",), ("explain", "x:a"), ("moments", "x:a")])
def test_a_redis_that_is_away_is_one_clear_line(cluster: Cluster, command: tuple[str, ...]) -> None:
    """The message says where it looked and what to do; the exit status is 1."""
    status, output = run(cluster, *command, CLOUT_REDIS="redis://:secret@127.0.0.1:9/0")
    assert status == 1
    assert output == "clout: Redis does not answer at redis://:***@127.0.0.1:9/0: start one, or set CLOUT_REDIS\n"
