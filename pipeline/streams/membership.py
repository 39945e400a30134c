"""
How a worker belongs to its group: what heartbeats tell it, and how it leaves on the embedded broker.

Tansu 0.6.0 goes on calling somebody the leader who left while the group was forming: every member is told to wait for
the leader's plan from then on, and nobody ever gets a partition. A member that falls silent is forgotten with its
session, as leader too. So a leader says goodbye to a group at rest only, and goes from one that forms without a word.
Who begins to join between the last look and the goodbye may still be unlucky: some milliseconds.

Uses names of aiokafka 0.14.0 that begin with an underscore, as the transport does.
"""

import asyncio
import time
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

from pipeline.streams.lease import Heard

_LOOKS_S: Final = (0.0, 0.3)
"""Pauses before each look: a member that is stopped at the same moment has left by the second one."""


def note_heartbeats(consumer: AIOKafkaConsumer, heard: Heard) -> None:
    """Let a consumer that has started note each heartbeat that is answered, those that it sends by itself, too."""
    coordinator = consumer._coordinator
    heartbeat = coordinator._do_heartbeat

    async def noted() -> bool:
        # The coordinator counts from when it hears us, which is later.
        sent = time.monotonic()
        is_member: bool = await heartbeat()
        if is_member:
            heard.member = sent
            if not coordinator._rejoin_needed_fut.done():
                heard.at_rest = sent
        return is_member

    coordinator._do_heartbeat = noted


def leave_at_rest(consumer: AIOKafkaConsumer) -> None:
    """Keep a consumer that has started from leaving its group while that forms anew."""
    coordinator = consumer._coordinator
    leave = coordinator._maybe_leave_group

    async def leave_if_at_rest() -> None:
        # A static member does not say goodbye at all.
        if (
            coordinator.generation > 0
            and coordinator._group_instance_id is None
            and await _would_be_missed(coordinator)
        ):
            coordinator.reset_generation()
        await leave()

    coordinator._maybe_leave_group = leave_if_at_rest


async def _would_be_missed(coordinator: GroupCoordinator) -> bool:
    """Tell whether the group may be forming with this member as its leader."""
    if coordinator._performed_join_prepare:
        return True
    if coordinator._group_subscription is None:  # only a leader knows what the others want
        return False
    for pause_s in _LOOKS_S:
        await asyncio.sleep(pause_s)
        try:
            await coordinator._do_heartbeat()
        except KafkaError:
            return True
        if coordinator._rejoin_needed_fut.done():
            return True
    return False
