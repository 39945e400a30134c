"""
How a worker leaves its group on the embedded broker.

Tansu 0.6.0 goes on calling somebody the leader who left while the group was forming: every member is told to wait for
the leader's plan from then on, and nobody ever gets a partition. A member that falls silent is forgotten with its
session, as leader too. So a worker says goodbye to a group at rest only, and goes from one that forms without a word.

Uses names of aiokafka 0.14.0 that begin with an underscore, as the transport does.
"""

from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError


def leave_at_rest(consumer: AIOKafkaConsumer) -> None:
    """Keep a consumer that has started from leaving its group while that forms anew."""
    coordinator = consumer._coordinator
    leave = coordinator._maybe_leave_group

    async def leave_if_at_rest() -> None:
        if coordinator.generation > 0 and await _forms(coordinator):
            coordinator.reset_generation()
        await leave()

    coordinator._maybe_leave_group = leave_if_at_rest


async def _forms(coordinator: GroupCoordinator) -> bool:
    if not coordinator._performed_join_prepare:
        # What it answers stands in the coordinator.
        with suppress(KafkaError):
            await coordinator._do_heartbeat()
    return bool(coordinator._performed_join_prepare or coordinator._rejoin_needed_fut.done())
