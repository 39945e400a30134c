"""
Every Prometheus metric, defined once.

Base units; bounded labels; never a user id as a label.
Conservation can be read off them: received = applied + duplicate + late + forgotten + dead_lettered.
"""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

# The worker. Fates are the partitions' own counters, which survive a crash.
ENGAGEMENTS_RECEIVED = Gauge("clout_engagements_received_total", "Records folded, of whatever fate.", ["partition"])
ENGAGEMENTS_APPLIED = Gauge("clout_engagements_applied_total", "Records counted.", ["partition"])
ENGAGEMENTS_DUPLICATE = Gauge("clout_engagements_duplicate_total", "Records with a repeated id.", ["partition"])
ENGAGEMENTS_LATE = Gauge("clout_engagements_late_total", "Records older than every window.", ["partition"])
ENGAGEMENTS_FORGOTTEN = Gauge("clout_engagements_forgotten_total", "Records of forgotten users.", ["partition"])
ENGAGEMENTS_DEAD_LETTERED = Gauge("clout_engagements_dead_lettered_total", "Records refused.", ["partition"])
DEAD_LETTERS = Counter("clout_dead_letters_total", "Records written to the dead letters.", ["reason"])
SCORE_UPDATES_EMITTED = Counter("clout_score_updates_emitted_total", "Score documents written to the topic.")
DETAILS_EMITTED = Counter("clout_details_emitted_total", "Details documents written to the topic.")
SPIKES_EMITTED = Counter("clout_spikes_emitted_total", "Records of spikes written to the topic: opened, grown, closed.")
SCORES_OWED = Gauge("clout_scores_owed", "Users whose newest score waits to be emitted.")
UNCOMMITTED = Gauge("clout_rounds_uncommitted", "Input partitions folded further than they are committed.")
ROWS = Gauge("clout_rows", "Accounts in the engagement table.", ["partition"])
ROUND_DURATION = Histogram("clout_commit_round_duration_seconds", "A round: flush, emit, commit.")
RECOVERY_DURATION = Histogram("clout_recovery_duration_seconds", "Reading a partition's rows from the changelog.")
REBALANCES = Counter("clout_rebalances_total", "Times that the group gave this worker its partitions.")
CONSUMER_LAG = Gauge("clout_consumer_lag_records", "Records that wait in the topic.", ["topic", "partition"])


def forget_partition(number: int, topics: Iterable[str]) -> None:
    """Say no more of a partition that another worker has now: sums over workers would count it twice."""
    for gauge in (
        ENGAGEMENTS_RECEIVED,
        ENGAGEMENTS_APPLIED,
        ENGAGEMENTS_DUPLICATE,
        ENGAGEMENTS_LATE,
        ENGAGEMENTS_FORGOTTEN,
        ENGAGEMENTS_DEAD_LETTERED,
        ROWS,
    ):
        gauge.remove(str(number))
    for topic in topics:
        CONSUMER_LAG.remove(topic, str(number))


# The sink.
SCORES_STORED = Counter("clout_score_updates_stored_total", "Score documents that Redis took: newer than its own.")
SCORES_STALE = Counter("clout_score_updates_stale_total", "Score documents that Redis refused: not newer.")
SCORES_SUPERSEDED = Counter(
    "clout_score_updates_superseded_total", "Records of a user that a newer one of the same fetch replaced."
)
SCORES_REFUSED = Counter("clout_score_updates_refused_total", "Records of scores or details that do not decode.")
HISTORY_STORED = Counter("clout_history_points_stored_total", "Points of scores over time, new in Redis.", ["topic"])
HISTORY_PUBLISHED = Counter("clout_history_points_published_total", "Last scores of hours and days, put in the log.")
SCORE_AGE = Histogram(
    "clout_score_age_seconds",
    "From the computation of a score to its visibility in Redis.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2, 5, 10, 30),
)

# The lookup service.
STREAM_CLIENTS = Gauge("clout_stream_clients", "Open subscriptions.", ["kind"])

EVENTS_ACCEPTED = Counter("clout_events_accepted_total", "Events by HTTP that the broker acknowledged.")
EVENTS_REJECTED = Counter("clout_events_rejected_total", "Events by HTTP that are none.")

# The alerter.
WEBHOOK_DELIVERIES = Counter("clout_webhook_deliveries_total", "Attempts to deliver, by any channel.", ["outcome"])
WEBHOOK_DURATION = Histogram("clout_webhook_delivery_duration_seconds", "An attempt to deliver.")
ALERTS = Counter("clout_alerts_total", "Alerts of rules.", ["outcome"])

# The agents.
AGENT_RECEIVED = Counter("clout_agent_received_total", "Source events read.", ["agent"])
AGENT_PUBLISHED = Counter("clout_agent_published_total", "Records acknowledged by the broker.", ["agent", "topic"])
AGENT_SKIPPED = Counter("clout_agent_skipped_total", "Source events that are no engagement.", ["agent", "reason"])
AGENT_UNDONE = Counter("clout_agent_undone_total", "Deletions that withdrew an action.", ["agent"])
AGENT_SOURCE_LAG = Gauge("clout_agent_source_lag_seconds", "How far the agent is behind its source.", ["agent"])
