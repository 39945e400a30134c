"""Whether a burst looks like people's."""

import pytest

from pipeline.scoring.bursts import BurstActors, suspicions


@pytest.mark.parametrize(
    ("actors", "words"),
    [
        (BurstActors(200, busy=20, fresh=180, aged=200, distinct=195), []),
        (BurstActors(200, busy=30, fresh=10, aged=50, distinct=150), []),
        (BurstActors(4, busy=4, fresh=4, aged=4, distinct=1), []),
        (BurstActors(200, busy=120, fresh=0, aged=0, distinct=200), ["60% of it came from actors who did more"]),
        (BurstActors(200, busy=60, fresh=150, aged=200, distinct=200), ["75% of it came from actors first seen"]),
        (BurstActors(200, busy=0, fresh=0, aged=0, distinct=12), ["only 12 actors stand behind 200"]),
    ],
)
def test_suspicion_needs_more_than_a_burst(actors: BurstActors, words: list[str]) -> None:
    """Newcomers alone are organic, a few engagements say nothing; mass actors, made ones and few ones are named."""
    reasons = suspicions(actors)
    assert len(reasons) == len(words)
    for reason, start in zip(reasons, words, strict=True):
        assert reason.startswith(start)
