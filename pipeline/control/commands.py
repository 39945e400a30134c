"""`clout keys`: create, rotate, list and revoke API keys."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final, get_args

import msgspec
from cyclopts import App, Parameter

from pipeline.clock import system_clock
from pipeline.control.keytext import KeyText, new_key
from pipeline.control.reading import read_control
from pipeline.control.writer import ControlWriter
from pipeline.errors import ConfigError
from pipeline.settings import Settings, load_settings
from schemas import ApiKey, Control, KeySecret, Scope

app = App(name="keys", help="Create, rotate, list and revoke API keys.")

Broker = Annotated[str | None, Parameter(help="Kafka: kafka://host:port")]
Expires = Annotated[str | None, Parameter(help="After so long it is refused: 90d, 12h, 30m, 45s.")]

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@app.command
def create(
    name: Annotated[str, Parameter(help="What it is for.")],
    *,
    scope: Annotated[
        list[str] | None, Parameter(help="read, ingest, identity or admin; repeat it for several.")
    ] = None,
    network: Annotated[list[str] | None, Parameter(help="A network it may publish for, of several; else all.")] = None,
    expires: Expires = None,
    rate: Annotated[float | None, Parameter(help="Requests per second, instead of the deployment's limit.")] = None,
    broker: Broker = None,
) -> None:
    """Create a key and show it, this once; it reads unless scopes are given."""
    now = system_clock()
    key = new_key()
    record = ApiKey(
        id=key.id,
        name=name,
        scopes=_scopes(scope or ["read"]),
        secrets=[KeySecret(key.hash())],
        created=now,
        networks=network or None,
        expires=now + duration_ms("--expires", expires) if expires else None,
        requests_per_s=_positive("--rate", rate),
    )
    asyncio.run(_write(load_settings(broker=broker), record))
    _show(key)


@app.command
def rotate(
    key_id: str,
    *,
    overlap: Annotated[str, Parameter(help="How long the old secret is still good: 24h, 30m, 0s.")] = "24h",
    broker: Broker = None,
) -> None:
    """Give a key a new secret and show it, this once; what belongs to the key stays."""
    asyncio.run(_rotate(load_settings(broker=broker), _record_id(key_id), duration_ms("--overlap", overlap)))


@app.command(name="list")
def list_keys(*, broker: Broker = None) -> None:
    """List the keys, without their secrets."""
    asyncio.run(_list(load_settings(broker=broker)))


@app.command
def revoke(key_id: str, *, broker: Broker = None) -> None:
    """Revoke a key: within a second no service takes it any more."""
    asyncio.run(_revoke(load_settings(broker=broker), _record_id(key_id)))


async def _rotate(settings: Settings, key_id: str, overlap_ms: int) -> None:
    record = await _existing(settings, key_id)
    now = system_clock()
    key = new_key(key_id)
    ends = [_earlier(secret.expires, now + overlap_ms) for secret in record.secrets]
    kept = [KeySecret(secret.hash, end) for secret, end in zip(record.secrets, ends, strict=True) if end > now]
    await _write(settings, msgspec.structs.replace(record, secrets=[KeySecret(key.hash()), *kept]))
    _show(key)


async def _list(settings: Settings) -> None:
    table = await read_control(settings)
    _say("id\tname\tscopes\tnetworks\tcreated\texpires")
    for key in table.all(ApiKey):
        networks = "all" if key.networks is None else ",".join(key.networks)
        times = [_date(key.created), _date(key.expires) if key.expires else "never"]
        _say("\t".join([key.id.removeprefix("key:"), key.name, ",".join(key.scopes), networks, *times]))


async def _revoke(settings: Settings, key_id: str) -> None:
    await _existing(settings, key_id)
    async with _writer(settings) as writer:
        await writer.delete(key_id)
    _say(f"revoked {key_id.removeprefix('key:')}")


async def _existing(settings: Settings, key_id: str) -> ApiKey:
    record = (await read_control(settings)).get(key_id, ApiKey)
    if record is None:
        raise ConfigError(f"there is no key {key_id.removeprefix('key:')}: `clout keys list` shows all")
    return record


async def _write(settings: Settings, record: Control) -> None:
    async with _writer(settings) as writer:
        await writer.put(record)


@asynccontextmanager
async def _writer(settings: Settings) -> AsyncIterator[ControlWriter]:
    writer = ControlWriter(settings)
    try:
        yield writer
    finally:
        await writer.close()


def _scopes(given: list[str]) -> list[Scope]:
    known: tuple[Scope, ...] = get_args(Scope)
    for scope in given:
        if scope not in known:
            raise ConfigError(f"--scope {scope}: one of {', '.join(known)}")
    return [scope for scope in known if scope in given]


def duration_ms(option: str, text: str) -> int:
    """
    Return the milliseconds of `90d`, `12h`, `30m` or `45s`.

    Raises:
        ConfigError: It is none of these; the option is named.
    """
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ConfigError(f"{option} {text}: give a number and a unit, for example 90d, 12h, 30m or 45s")
    return int(match[1]) * _UNITS_MS[match[2]]


def _positive(option: str, value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise ConfigError(f"{option} {value:g}: more than 0")
    return value


def _record_id(text: str) -> str:
    return text if text.startswith("key:") else f"key:{text}"


def _earlier(expires: int | None, other: int) -> int:
    return other if expires is None else min(expires, other)


def _date(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(key: KeyText) -> None:
    sys.stderr.write("This is the key. It is shown this once: only a hash of it is kept.\n")
    _say(str(key))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
