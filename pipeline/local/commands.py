"""The command `clout up`."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Final

from pipeline.errors import ConfigError
from pipeline.local.keeper import Keeper
from pipeline.local.leaderboard import Leaderboard
from pipeline.local.output import Output
from pipeline.local.services import Plan, make_plan
from pipeline.local.supervisor import Supervisor
from pipeline.settings import Settings, load_settings
from pipeline.topics import ensure_topics

_LEADERS: Final = 10
_TERMINAL_S: Final = 1.0
"""A terminal shows the leaderboard anew this often, .."""
_BLOCK_S: Final = 5.0
""".. a file or pipe gets it as a block of lines this often."""
_LOOK_S: Final = 0.2
_MEMORY_S: Final = 2.0
"""How often the broker's memory is looked at: a replay at full speed adds 100 MB in this time."""


def up(
    *,
    demo: bool = False,
    port: int | None = None,
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    Run every role in this terminal, with a broker and a Valkey of its own unless others are named.

    Args:
        demo: Feed synthetic traffic and show a live leaderboard.
        port: Where the lookup service listens (8080).
        broker: A Kafka to use instead of an embedded broker: kafka://host:port.
        redis: A Redis to use instead of an embedded Valkey: redis://host:port.
    """
    settings = load_settings(port=port, broker=broker, redis=redis)
    # What the environment names is the user's own too, unless it is told to be ours.
    own_broker = broker is None and (settings.embedded or "broker" not in settings.model_fields_set)
    own_redis = redis is None and (settings.embedded or "redis" not in settings.model_fields_set)
    _make_data_dir(settings.data_dir)
    with tempfile.TemporaryDirectory(prefix="clout-") as directory:
        plan = make_plan(settings, Path(directory), own_broker=own_broker, own_redis=own_redis, demo=demo)
        _run(plan, settings, demo=demo)


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"cannot make the directory {data_dir} ({exc.strerror}): set CLOUT_DATA_DIR") from exc


def _run(plan: Plan, settings: Settings, *, demo: bool) -> None:
    output = Output(sys.stdout)
    supervisor = Supervisor(output)
    environment = plan.roles[0].environment
    keeper = Keeper(settings, plan.broker, environment, supervisor, output) if plan.broker else None

    def stop(_number: int, _frame: FrameType | None) -> None:
        if keeper and supervisor.stopping.is_set():
            keeper.hurry.set()
        supervisor.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        _start(plan, settings, supervisor, keeper, output)
        _watch(plan, supervisor, keeper, output, Leaderboard(settings.redis, _LEADERS) if demo else None)
    finally:
        output.close()
        output.say("stopping")
        supervisor.end_roles()
        if keeper:
            keeper.save()
        supervisor.stop()


def _start(plan: Plan, settings: Settings, supervisor: Supervisor, keeper: Keeper | None, output: Output) -> None:
    began = time.monotonic()
    output.say(f"starting {', '.join(service.name for service in [*plan.servers, *plan.roles])}")
    supervisor.start_servers(plan.servers)
    if supervisor.stopping.is_set():
        return
    asyncio.run(ensure_topics(settings))
    if keeper:
        keeper.load()
    supervisor.start(plan.roles)
    if supervisor.stopping.is_set():
        return
    output.say(
        f"ready after {time.monotonic() - began:.1f} s: {plan.url} - "
        f"in another terminal try `{_program()} top`, `{_program()} watch`, or `curl {plan.url}/v1/leaderboard`"
    )
    supervisor.start(plan.agents)


def _begin_anew(plan: Plan, supervisor: Supervisor, keeper: Keeper, output: Output) -> None:
    """Give the embedded broker's memory back: everything stops, and goes on from a snapshot; Redis stays."""
    assert plan.broker
    output.say(f"the broker holds {supervisor.resident_mb(plan.broker):,.0f} MB: it begins anew from a snapshot")
    supervisor.end_roles()
    keeper.save()
    if keeper.is_saved:
        supervisor.end(plan.broker)
        supervisor.start_servers([plan.broker])
        if supervisor.stopping.is_set():
            return
        keeper.load()
    else:
        keeper.be_patient()
    supervisor.start(plan.roles)
    supervisor.start(plan.agents)
    output.say("going on")


def _program() -> str:
    """Return how the user may call this program: it need not be on the path."""
    program = Path(sys.argv[0])
    on_path = str(program.parent) in os.get_exec_path() or program.name != "clout"
    return "clout" if on_path else os.path.relpath(program)


def _watch(
    plan: Plan, supervisor: Supervisor, keeper: Keeper | None, output: Output, leaderboard: Leaderboard | None
) -> None:
    every_s = _TERMINAL_S if output.is_terminal else _BLOCK_S
    due = memory_due = time.monotonic()
    while not supervisor.stopping.wait(_LOOK_S):
        supervisor.keep()
        now = time.monotonic()
        if keeper and now >= memory_due:
            memory_due = now + _MEMORY_S
            if keeper.is_full():
                _begin_anew(plan, supervisor, keeper, output)
        if leaderboard and now >= due:
            board = leaderboard.render()
            if board:
                output.show(board)
                due = now + every_s
    if leaderboard:
        leaderboard.close()
