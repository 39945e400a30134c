"""Metrics of partitions come and go with these."""

from prometheus_client import REGISTRY

from pipeline import metrics

APPLIED, LAG = "clout_engagements_applied_total", "clout_consumer_lag_records"


def test_a_partition_that_is_another_workers_is_told_of_no_more() -> None:
    """A sum over workers would count it twice."""
    for number in (901, 902):
        metrics.ENGAGEMENTS_APPLIED.labels(str(number)).set(5)
        metrics.CONSUMER_LAG.labels("likes", str(number)).set(7)
    metrics.forget_partition(901, ["likes", "shares"])
    held = {number: REGISTRY.get_sample_value(APPLIED, {"partition": str(number)}) for number in (901, 902)}
    lags = [REGISTRY.get_sample_value(LAG, {"topic": "likes", "partition": str(number)}) for number in (901, 902)]
    assert (held, lags) == ({901: None, 902: 5}, [None, 7])
    metrics.forget_partition(902, ["likes"])
