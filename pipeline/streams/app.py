"""
The Faust app: `faust -A pipeline.streams.app worker`, or `clout worker`.

Every setting is the deployment's (`pipeline.settings`); what is fixed here has its reason beside it.
"""

import gc
import threading
from typing import Any, Final

import faust
import mode
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipeline.kafka import bootstrap_servers, ssl_context
from pipeline.settings import Settings, get_settings
from pipeline.state.sources import SOURCES
from pipeline.streams import engagement
from pipeline.streams.allocator import keep_freed_memory
from pipeline.streams.commit import CommitRounds
from pipeline.streams.dead_letters import DeadLetters
from pipeline.streams.decisions import DecisionsFollower
from pipeline.streams.leaving import leave_after
from pipeline.streams.recovery import BulkTableManager
from pipeline.streams.schema import FetchedSchema
from pipeline.streams.table import EngagementTable
from pipeline.streams.warm_up import warm_up
from pipeline.topics import ensure_topics

FETCH_BYTES: Final = 1 << 20
CRASH_S: Final = 8.0
"""After a crash the process ends within this time: a consumer's thread may wait a minute for its broker."""

STOP_S: Final = 9.0
"""The process ends within this time after it was told to: a broker that is away would hold it up for longer."""


class App(faust.App):
    """A Faust app with the parts that a round needs."""

    settings: Settings
    engagement: EngagementTable
    rounds: CommitRounds
    dead_letters: DeadLetters
    decisions: DecisionsFollower
    stop_deadline: threading.Timer

    def _crash(self, reason: BaseException) -> None:
        """Crash, and end the process even if a part of it does not stop."""
        if not self.crashed:
            leave_after(CRASH_S, 1)
        super()._crash(reason)

    async def on_first_start(self) -> None:
        """Create missing topics before anything subscribes to them."""
        (self.settings.data_dir / "worker").mkdir(parents=True, exist_ok=True)
        await ensure_topics(self.settings)
        warm_up()
        keep_freed_memory()
        # Folding makes no cycles; the collector would walk over millions of rows.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        self.decisions.start()
        await super().on_first_start()

    async def on_stop(self) -> None:
        """Stop following what the app started by itself, and end the process even if a part of it does not stop."""
        self.stop_deadline = leave_after(STOP_S, 0)
        await super().on_stop()
        await self.decisions.stop()

    async def on_shutdown(self) -> None:
        """Everything has stopped in time."""
        await super().on_shutdown()
        self.stop_deadline.cancel()


def create_app(settings: Settings, name: str | None = None) -> App:
    """Return the worker's app; `name` is its consumer group's, and stands in its changelog's."""
    app = App(
        name or settings.topic_prefix + "worker",
        broker=f"clout://{';'.join(bootstrap_servers(settings))}",
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout_s,
        # A lease begins with a heartbeat, and the last round before a group forms anew must do with what is left of it.
        broker_heartbeat_interval=settings.session_timeout_s / 8,
        broker_request_timeout=max(30.0, settings.session_timeout_s),
        broker_commit_interval=settings.commit_interval_s,
        broker_max_poll_interval=600.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_group_instance_id=settings.group_instance_id or None,
        # Stands in the assignment that a static member gets back after a restart, maybe on another port.
        canonical_url=f"http://{settings.group_instance_id}" if settings.group_instance_id else None,
        producer_request_timeout=30.0,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_disable_leader=True,
        table_standby_replicas=0,
        # Batches, not records: what waits here is fetched again after a rebalance.
        stream_buffer_maxsize=32,
        stream_wait_empty=False,
        TableManager=BulkTableManager,
        # An agent that is restarted would go on behind the batch that failed.
        agent_supervisor=mode.CrashingSupervisor,
        web_bind="127.0.0.1",
        web_host="127.0.0.1",
        web_port=settings.worker_port,
        web_tables_enabled=False,
        datadir=settings.data_dir / "worker",
        autodiscover=False,
    )
    app.settings = settings
    app.engagement = EngagementTable(app, settings=settings)
    app.tables.add(app.engagement)
    app.dead_letters = DeadLetters(settings.topic_prefix + "dead-letters")
    app.decisions = DecisionsFollower(settings, app.engagement)
    app.rounds = CommitRounds(app, app.engagement, settings)
    topic = app.topic(*(settings.topic_prefix + name for name in SOURCES), schema=FetchedSchema(), acks=False)
    engagement.declare(app, app.engagement, topic)
    _declare_pages(app)
    return app


def _credentials(settings: Settings) -> Any:
    context = ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def _declare_pages(app: App) -> None:
    @app.page("/healthz")
    async def healthz(self: Any, request: Any) -> Any:  # noqa: ARG001
        return self.json({"status": "ok"})

    @app.page("/readyz")
    async def readyz(self: Any, request: Any) -> Any:  # noqa: ARG001
        ready = bool(app.tables.actives_ready and app.engagement.partitions_held)
        partitions = sorted(app.engagement.partitions_held)
        return self.json(
            {"ready": ready, "partitions": partitions, "lag": app.rounds.lag}, status=200 if ready else 503
        )

    @app.page("/metrics")
    async def metrics(self: Any, request: Any) -> Any:  # noqa: ARG001
        return self.bytes(generate_latest(), content_type=CONTENT_TYPE_LATEST.split(";")[0])


app = create_app(get_settings())
"""What `faust -A pipeline.streams.app` looks for."""
