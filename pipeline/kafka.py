"""How every role connects to Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLCertVerificationError, SSLContext, SSLError, create_default_context
from typing import Final, TypedDict

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from pipeline.connections import mend_clients
from pipeline.errors import BrokerRefusesError, BrokerUnavailableError, ConfigError
from pipeline.settings import Settings

mend_clients()

_PATIENCE_MS: Final = 5_000
"""A broker that lets someone in or turns them away does it within this time."""


class ClientOptions(TypedDict):
    """The options that all aiokafka clients share."""

    bootstrap_servers: list[str]
    security_protocol: str
    ssl_context: SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None


def bootstrap_servers(settings: Settings) -> list[str]:
    """Return `host:port` of each broker in `settings.broker`."""
    _, _, hosts = settings.broker.rpartition("://")
    return [host.strip() for host in hosts.split(",") if host.strip()]


def ssl_context(settings: Settings) -> SSLContext | None:
    """
    Return the context for TLS (host names are checked), or None where the protocol has none.

    Raises:
        ConfigError: The file of CA certificates cannot be read.
    """
    if "SSL" not in settings.security_protocol.replace("SASL", ""):
        return None
    try:
        return create_default_context(cafile=str(settings.ssl_cafile) if settings.ssl_cafile else None)
    except OSError as exc:
        reason = exc.strerror if exc.filename or not isinstance(exc, SSLError) else "no certificates in PEM format"
        raise ConfigError(f"CLOUT_SSL_CAFILE={settings.ssl_cafile} cannot be read: {reason}") from exc


def client_options(settings: Settings) -> ClientOptions:
    """Return what an aiokafka producer, consumer or admin client needs to connect."""
    sasl = settings.security_protocol.startswith("SASL")
    return ClientOptions(
        bootstrap_servers=bootstrap_servers(settings),
        security_protocol=settings.security_protocol,
        ssl_context=ssl_context(settings),
        sasl_mechanism=settings.sasl_mechanism if sasl else "PLAIN",
        sasl_plain_username=settings.sasl_username if sasl else None,
        sasl_plain_password=settings.sasl_password.get_secret_value() if sasl else None,
    )


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[None]:
    """
    Turn what goes wrong while a client connects into an error that says what to do.

    Raises:
        BrokerRefusesError: The broker is there, but does not let this client in: trying again will not help.
        BrokerUnavailableError: No broker answers.
    """
    try:
        yield
    except (KafkaConnectionError, SaslAuthenticationFailed, OSError) as exc:
        # The client tries one host after the other and tells at the end that none was left, but not why.
        await require_welcome(settings)
        raise BrokerUnavailableError(
            f"no Kafka broker answers at {settings.broker}: start one, or set CLOUT_BROKER"
        ) from exc


async def require_welcome(settings: Settings) -> None:
    """
    Ask each broker that answers whether it lets this client in.

    Raises:
        BrokerRefusesError: It does not.
    """
    options = client_options(settings)
    for address in options["bootstrap_servers"]:
        host, _, port = address.rpartition(":")
        try:
            connection = await create_conn(
                host.strip("[]"),
                int(port),
                request_timeout_ms=_PATIENCE_MS,
                ssl_context=options["ssl_context"],
                security_protocol=options["security_protocol"],
                sasl_mechanism=options["sasl_mechanism"],
                sasl_plain_username=options["sasl_plain_username"],
                sasl_plain_password=options["sasl_plain_password"],
            )
        except (SaslAuthenticationFailed, IllegalSaslStateError, UnsupportedSaslMechanismError, SSLError) as exc:
            raise BrokerRefusesError(f"the broker at {address} {_refusal(settings, exc)}") from exc
        except (KafkaError, OSError, ValueError):
            continue
        connection.close()


def _refusal(settings: Settings, exc: Exception) -> str:
    if isinstance(exc, SaslAuthenticationFailed):
        return (
            f"does not accept the password of {settings.sasl_username!r}: "
            "check CLOUT_SASL_USERNAME and CLOUT_SASL_PASSWORD"
        )
    if isinstance(exc, SSLCertVerificationError):
        return f"has a certificate that is not trusted ({exc.verify_message}): check CLOUT_SSL_CAFILE"
    if isinstance(exc, SSLError):
        return f"speaks no TLS there ({exc.reason}): check the port and CLOUT_SECURITY_PROTOCOL"
    return f"does not offer {settings.sasl_mechanism}: check CLOUT_SASL_MECHANISM and CLOUT_SECURITY_PROTOCOL"
