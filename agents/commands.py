"""The commands `clout agent ..`. What they need is imported when they run: `--help` is quick."""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from pipeline.errors import ConfigError
from pipeline.settings import Settings, get_settings

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

    from agents.cursor import CursorFile
    from agents.protocol import Agent

app = App(name="agent", help="Publish what happens at a network, or what a file says happened.")


@app.command
def replay(
    file: Path,
    *,
    format: Literal["higgs", "jetstream", "klout", "ndjson"],  # noqa: A002 - the option's name is a contract
    speed: str = "max",
    shift: bool = False,
    limit: int | None = None,
    resume: bool = False,
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    Publish the events of a file; .gz is read as it is.

    Parameters
    ----------
    file
        The file.
    format
        What its lines are.
    speed
        max, or a factor of real time such as 1x or 100x.
    shift
        Move the times so that the file ends now.
    limit
        Read so many lines at most.
    resume
        Go on where an earlier replay of the file had come.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.pace import parse_speed
    from agents.replay import Replay, ReplayConfig, cursor_of

    def make(settings: Settings) -> "tuple[Agent, CursorFile | None]":
        config = ReplayConfig(file, format, parse_speed(speed), shift, _positive("--limit", limit))
        cursor = cursor_of(config, settings)
        return Replay(config, cursor.load() if resume else None), cursor

    _run(make, broker, redis, bulk=speed == "max")


@app.command
def synthetic(
    *,
    rate: str | None = None,
    users: int = 10_000,
    events: int | None = None,
    seed: int = 0,
    spread: float = 0.0,
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    Publish made-up traffic of several networks, until stopped.

    Parameters
    ----------
    rate
        Events per second, or max; 1000 unless they are spread over days.
    users
        How many people there are, 50 at least.
    events
        End after so many records.
    seed
        The same seed gives the same people.
    spread
        Spread the events over so many days that end now; needs --events.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.synthetic import Synthetic, SyntheticConfig
    from pipeline.clock import system_clock

    chosen = rate or ("max" if spread else "1000")

    def make(_: Settings) -> "tuple[Agent, CursorFile | None]":
        if spread < 0 or (spread and events is None):
            raise ConfigError("--spread needs a number of days and --events: how many events to spread over them")
        limit = _positive("--events", events)
        return Synthetic(SyntheticConfig(users, _rate(chosen), limit, seed, system_clock(), spread)), None

    _run(make, broker, redis, bulk=chosen == "max")


def _run(
    make: "Callable[[Settings], tuple[Agent, CursorFile | None]]", broker: str | None, redis: str | None, *, bulk: bool
) -> None:
    """Run an agent to its end."""
    from pipeline.logs import configure

    chosen = {name: value for name, value in (("broker", broker), ("redis", redis)) if value is not None}
    settings = get_settings().model_copy(update=chosen)
    configure(settings)
    # Its messages name hosts and tasks; what a user needs to know of them, the publisher says once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Half a million short-lived tuples a second and no cycles: looking for some took a quarter of the time.
    gc.set_threshold(50_000, 20, 50)
    agent, cursor = make(settings)
    asyncio.run(_publish(agent, cursor, settings, bulk=bulk))


async def _publish(agent: "Agent", cursor: "CursorFile | None", settings: Settings, *, bulk: bool) -> None:
    import stamina.instrumentation

    from agents.actors import RedisActors
    from agents.publisher import BULK_LINGER_S, LIVE_LINGER_S, Publisher
    from agents.runner import Runner
    from agents.stamps import Stamper

    stamina.instrumentation.set_on_retry_hooks([_say_retry])
    publisher = Publisher(settings, linger_s=BULK_LINGER_S if bulk else LIVE_LINGER_S)
    runner = Runner(agent, settings, publisher, Stamper(RedisActors(settings)), cursor=cursor)
    try:
        await runner.run()
    finally:
        sys.stdout.write(f"{agent.name}: {runner.tally.line()}\n")


def _say_retry(details: "RetryDetails") -> None:
    from pipeline.logs import get_logger

    get_logger(__name__).warning(f"{details.caused_by}; trying again in {details.wait_for:.1f} s")


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise ConfigError(f"--rate {text}: give events per second, or max")
    return rate


def _positive(option: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value}: 1 at least")
    return value
