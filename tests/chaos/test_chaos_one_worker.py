"""One worker that is killed and restarted under load: every acknowledged event is counted once."""

import pytest

from tests.chaos.trial import Trial, recovered
from tests.support.cluster import Cluster
from tests.support.ledger import Ledger
from tests.support.nemesis import Nemesis

pytestmark = pytest.mark.integration


def kill_again_and_again(trial: Trial, kills: int, *, undone: bool = False) -> None:
    """SIGKILL the worker at random moments: first while it folds, as most times after; sometimes while it starts."""
    trial.store()
    with trial.load():
        worker = trial.worker()
        for number in range(kills):
            if number == 0 or trial.nemesis.chance(0.75):
                trial.wait_until_it_folds(worker)
                trial.nemesis.moment(0.0, 1.5)
            else:
                trial.nemesis.moment(0.3, 5.0)
            trial.kill(worker)
            worker = trial.worker()
        trial.wait_until_it_folds(worker)
    trial.settle([worker])
    assert any(trial.folded_when_killed), "a worker was killed while it folded"
    assert recovered(worker)[0] > 0, "it went on with what the others had written"
    trial.check(undone=undone)
    assert worker.stop() == 0


def test_a_worker_killed_at_random_moments_counts_each_event_once(trial: Trial) -> None:
    """A few kills in every run; `make chaos` does twenty."""
    kill_again_and_again(trial, 3)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_worker_killed_twenty_times_counts_each_event_once(trial: Trial) -> None:
    """Twenty kills."""
    kill_again_and_again(trial, 20)


def test_repeated_and_undone_events_count_once_across_a_crash(cluster: Cluster, nemesis: Nemesis) -> None:
    """An id that came before the crash is known after it."""
    trial = Trial(cluster, nemesis, Ledger(nemesis.seed, repeated=0.05, undone=0.02))
    kill_again_and_again(trial, 2, undone=True)
    assert trial.ledger.duplicates > 100
