"""Linking accounts to persons: `clout link` and `clout unlink`."""

import asyncio
from typing import Annotated, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from cyclopts import Parameter

from pipeline.clock import system_clock
from pipeline.errors import BrokerUnavailableError, ConfigError
from pipeline.kafka import client_options, connected
from pipeline.settings import Settings, get_settings
from pipeline.topics import ensure_topics
from schemas import Identity, is_user_id

Account = Annotated[str, Parameter(help="An account: network:native-id.")]
Person = Annotated[str, Parameter(help="The person it belongs to: the id of one of their accounts.")]
Broker = Annotated[str | None, Parameter(help="Kafka bootstrap servers, kafka://host:port")]

_LONGEST_ID: Final = 512


def link(account: Account, person: Person, *, broker: Broker = None) -> None:
    """Let an account contribute to a person's score, from now on and with all that it has."""
    for each in (account, person):
        _check(each)
    if account == person:
        raise ConfigError(f"{account} cannot be linked to itself: name another account of the same person")
    asyncio.run(publish_link(_settings(broker), account, person))
    print(f"{account} contributes to {person}")  # noqa: T201 - the command's output


def unlink(account: Account, *, broker: Broker = None) -> None:
    """Let an account belong to itself alone again."""
    _check(account)
    asyncio.run(publish_link(_settings(broker), account, None))
    print(f"{account} belongs to itself alone")  # noqa: T201 - the command's output


def _check(user: str) -> None:
    if not is_user_id(user) or len(user) > _LONGEST_ID:
        raise ConfigError(f"{user!r} is no account: expected network:native-id, such as bluesky:did:plc:aaa")


def _settings(broker: str | None) -> Settings:
    settings = get_settings()
    return settings if broker is None else settings.model_copy(update={"broker": broker})


async def publish_link(settings: Settings, account: str, person: str | None) -> None:
    """
    Write to the topic of the identities; no person is a tombstone.

    Raises:
        BrokerUnavailableError: No broker answers, or it did not take the record.
    """
    value = None if person is None else msgspec.json.encode(Identity(account, person, system_clock()))
    await ensure_topics(settings)
    # Not idempotent, which the embedded broker could not be: a record that a retry doubles says the same twice.
    producer = AIOKafkaProducer(**client_options(settings), acks="all")
    try:
        async with connected(settings):
            await producer.start()
        await producer.send_and_wait(settings.topic_prefix + "identities", value, key=account.encode())
    except KafkaError as exc:
        raise BrokerUnavailableError(
            f"the broker at {settings.broker} did not take it ({type(exc).__name__}: {exc}): nothing has changed"
        ) from exc
    finally:
        await producer.stop()
