"""How every role connects to Kafka."""

from ssl import SSLContext, create_default_context
from typing import TypedDict

from pipeline.settings import Settings


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
    """Return the context for TLS (host names are checked), or None where the protocol has none."""
    if "SSL" not in settings.security_protocol:
        return None
    return create_default_context(cafile=str(settings.ssl_cafile) if settings.ssl_cafile else None)


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
