"""Every topic: its name, key, retention; and how they are created and checked."""

from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline.errors import TopicMismatchError
from pipeline.kafka import client_options, connected
from pipeline.settings import Settings
from schemas import KINDS, Kind

DAY_MS: Final = 86_400_000


LARGEST_LETTER: Final = 2 << 20
"""Bytes: a record at a broker's usual limit of 1 MiB, and the headers of a dead letter."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic without the deployment's prefix. `retention_days` is None for a compacted one."""

    name: str
    retention_days: int | None
    max_bytes: int | None = None
    """The longest record, where it is not the broker's default."""

    def config(self) -> dict[str, str]:
        """Return the topic's configuration at the broker."""
        size = {} if self.max_bytes is None else {"max.message.bytes": str(self.max_bytes)}
        if self.retention_days is None:
            # A zombie's late write must still be there when the new owner looks (24 h).
            return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(DAY_MS), **size}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_days * DAY_MS), **size}


KIND_TOPICS: Final[dict[Kind, str]] = {
    "like": "likes",
    "share": "shares",
    "comment": "comments",
    "follow": "follows",
}
"""The topic of each kind of engagement."""

ENGAGEMENT_TOPICS: Final = tuple(KIND_TOPICS[kind] for kind in KINDS)

TOPICS: Final = (
    *(TopicSpec(name, 92) for name in ENGAGEMENT_TOPICS),
    TopicSpec("posts", 92),
    TopicSpec("profiles", None),
    TopicSpec("identities", None),
    TopicSpec("ticks", 1),
    TopicSpec("contributions", None),
    TopicSpec("scores", None),
    TopicSpec("details", None),
    TopicSpec("history", 400),
    TopicSpec("spikes", 92),
    TopicSpec("control", None),
    TopicSpec("dead-letters", 30, LARGEST_LETTER),
)

CHANGELOG: Final = TopicSpec("worker-engagement-changelog", None)
"""The worker's rows: an inner matter, under the name that Faust gives it. Made with the others: Faust would have it
compacted at once."""


async def ensure_topics(settings: Settings) -> list[str]:
    """
    Create the topics that are missing, the changelog among them, and check the partition count of the others.

    Returns:
        The full names of the topics that were created.

    Raises:
        BrokerUnavailableError: No broker answers.
        BrokerRefusesError: It does not let this client in.
        TopicMismatchError: A topic has another partition count than the settings say.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with connected(settings):
            await admin.start()
        return await _create_missing(admin, settings)
    finally:
        await admin.close()


async def _create_missing(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    specs = {settings.topic_prefix + spec.name: spec for spec in (*TOPICS, CHANGELOG)}
    present = set(await admin.list_topics())
    for topic in await admin.describe_topics(sorted(present & specs.keys())) if present & specs.keys() else []:
        count = len(topic["partitions"])
        if count != settings.partitions:
            raise TopicMismatchError(
                f"topic {topic['topic']} has {count} partitions, but CLOUT_PARTITIONS is {settings.partitions}: "
                f"set it to {count}; for another count take a snapshot and restore it under another CLOUT_TOPIC_PREFIX"
            )
    missing = [name for name in specs if name not in present]
    if not missing:
        return []
    response = await admin.create_topics(
        [
            NewTopic(name, settings.partitions, settings.replication, topic_configs=specs[name].config())
            for name in missing
        ]
    )
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        # Two roles that start together may both try: the second finds it there.
        if code and error is not TopicAlreadyExistsError:
            raise KafkaError(f"cannot create topic {name}: {error.__name__} {' '.join(map(str, message))}")
    return missing
