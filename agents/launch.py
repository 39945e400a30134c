"""Runs an agent as a process: logs, stamps, publisher, memory, cursor, metrics, and the line at the end."""

import asyncio
import gc
import logging
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass

import stamina.instrumentation
from stamina.instrumentation import RetryDetails

from agents.actors import RedisActors
from agents.cursor import CursorFile
from agents.memory import Memory
from agents.protocol import Agent
from agents.publisher import Publisher
from agents.runner import Runner
from agents.stamps import Stamper
from agents.store import DurableMemory
from agents.tally import Tally
from pipeline.errors import ConfigError
from pipeline.logs import configure, get_logger
from pipeline.probe import serve_probes
from pipeline.settings import Settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Launch:
    """An agent, and how it is run."""

    agent: Agent
    cursor: CursorFile | None = None
    resume: bool = True
    """Go on from the cursor, where it has one."""
    memory: Memory | None = None


def live(agent: Agent, settings: Settings) -> Launch:
    """Return how an agent of a network is run: with a cursor and a memory that survive a restart."""
    cursor = CursorFile(settings.data_dir / "cursors" / f"{agent.name}.json")
    return Launch(agent, cursor, memory=memory_of(agent.name, settings))


def memory_of(name: str, settings: Settings) -> Memory:
    """Return what a live agent of this name remembers; nobody else may use it meanwhile."""
    return DurableMemory(settings.data_dir / "memory" / f"{name}.sqlite", settings.agent_memory)


def prepare(settings: Settings) -> None:
    """Set up the logs and the interpreter of this process."""
    configure(settings)
    # Its messages name hosts and tasks; what a user needs to know of them, the publisher says once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    # Half a million short-lived tuples a second and no cycles: looking for some took a quarter of the time.
    gc.set_threshold(50_000, 20, 50)


def run(launch: Launch, settings: Settings) -> Tally:
    """Run an agent to its end; returns what it did."""
    return asyncio.run(_run(launch, settings))


async def _run(launch: Launch, settings: Settings) -> Tally:
    stamina.instrumentation.set_on_retry_hooks([_say_retry])
    runner = Runner(
        launch.agent,
        settings,
        Publisher(settings),
        Stamper(RedisActors(settings)),
        cursor=launch.cursor,
        start=launch.cursor.load() if launch.cursor and launch.resume else None,
        memory=launch.memory,
    )
    try:
        async with AsyncExitStack() as stack:
            await _serve_metrics(settings, stack)
            return await runner.run()
    finally:
        sys.stdout.write(f"{launch.agent.name}: {runner.tally.line()}\n")


async def _serve_metrics(settings: Settings, stack: AsyncExitStack) -> None:
    try:
        await stack.enter_async_context(serve_probes(settings.host, settings.agent_port, lambda: True))
    except ConfigError:
        # A second agent on the machine: what it does matters more than that somebody may watch.
        log.warning("no metrics: another agent has the port; set CLOUT_AGENT_PORT", port=settings.agent_port)


def _say_retry(details: RetryDetails) -> None:
    log.warning(f"{details.caused_by}; trying again in {details.wait_for:.1f} s")  # noqa: G004 - a sentence
