"""
The commands of the lookup side: the roles `sink` and `serve`, and the commands that read.

What a command needs is imported when it runs, so that `clout --help` answers at once.
"""

import asyncio
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from pipeline.errors import PipelineError
from pipeline.settings import Settings, get_settings

app = App(name="clout", help="Influence scores from 1 to 100, as they change.")

Broker = Annotated[str | None, Parameter(help="Kafka: kafka://host:port")]
Redis = Annotated[str | None, Parameter(help="Redis: redis://host:port/0")]
Port = Annotated[int | None, Parameter(help="Port to listen on.")]
Network = Annotated[str | None, Parameter(help="Only this network, for example bluesky.")]

_INTERRUPTED: Final = 130


@app.command
def sink(*, broker: Broker = None, redis: Redis = None, port: Port = None) -> int:
    """Carry scores from Kafka to Redis until stopped."""
    from pipeline.lookup.role import run_role
    from pipeline.lookup.sink.run import run

    settings = _settings(broker=broker, redis=redis, sink_port=port)
    return run_role(settings, lambda: run(settings))


@app.command
def serve(*, broker: Broker = None, redis: Redis = None, host: str | None = None, port: Port = None) -> int:
    """Serve scores and their changes by HTTP until stopped."""
    from agents.ingest import Ingest
    from pipeline.lookup.api.server import run
    from pipeline.lookup.role import run_role

    settings = _settings(broker=broker, redis=redis, host=host, port=port)
    return run_role(settings, lambda: run(settings, Ingest(settings)))


@app.command
def alerter(*, broker: Broker = None, redis: Redis = None, port: Port = None) -> int:
    """Tell subscribers and alert rules what they want to be told, until stopped."""
    from pipeline.lookup.alerts.run import run
    from pipeline.lookup.role import run_role

    settings = _settings(broker=broker, redis=redis, alerter_port=port)
    return run_role(settings, lambda: run(settings))


@app.command
def score(users: list[str], /, *, redis: Redis = None) -> int:
    """Show the scores of users; the exit status is 1 when one has none."""
    from pipeline.lookup.reading import show_scores

    return _read(show_scores(_settings(redis=redis).redis, users))


@app.command
def explain(user: str, *, redis: Redis = None) -> int:
    """Show who and what stands behind a user's score."""
    from pipeline.lookup.reading import show_details

    return _read(show_details(_settings(redis=redis).redis, user))


@app.command
def moments(user: str, *, redis: Redis = None) -> int:
    """Show a user's posts by what they earned, and the points that each is worth."""
    from pipeline.lookup.reading import show_moments

    return _read(show_moments(_settings(redis=redis).redis, user))


@app.command
def top(*, network: Network = None, limit: int = 20, redis: Redis = None) -> int:
    """Show the users with the highest scores."""
    from pipeline.lookup.reading import show_top

    return _read(show_top(_settings(redis=redis).redis, network, limit))


@app.command
def watch(*users: str, network: Network = None, min_delta: float = 0.0, redis: Redis = None) -> int:
    """Show changes of scores as they happen: of these users, or of all."""
    from pipeline.lookup.reading import show_changes
    from pipeline.lookup.subscriber import Wish

    wish = Wish(users=frozenset(users) or None, network=network, min_delta=min_delta)
    return _read(show_changes(_settings(redis=redis).redis, wish))


@app.command
def export(what: Literal["scores", "details", "history"], file: Path, *, redis: Redis = None) -> int:
    """
    Write scores, details or history of all users to a file.

    Parameters
    ----------
    what
        scores: a row for each user. details: who and what stands behind them. history: a row for each change.
    file
        NAME.parquet or NAME.ndjson. It is there when it is complete; an older one stays until then.
    redis
        Redis: redis://host:port/0
    """
    return _read(_export(_settings(redis=redis).redis, what, file))


async def _export(redis_url: str, what: Literal["scores", "details", "history"], file: Path) -> int:
    from pipeline.lookup.export.run import export as write

    done = await write(redis_url, what, file)
    moment = datetime.fromtimestamp(done.as_of / 1000, UTC)
    print(  # noqa: T201 - the command's output
        f"{done.rows:,} rows of {done.users:,} users, as of {moment:%Y-%m-%d %H:%M:%S} UTC, written to {file}: "
        f"{done.seconds:,.1f} s"
    )
    return 0


def _settings(**overrides: object) -> Settings:
    given = {name: value for name, value in overrides.items() if value is not None}
    return get_settings().model_copy(update=given)


def _read(reading: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(reading)
    except PipelineError as exc:
        sys.stderr.write(f"clout: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    app()
