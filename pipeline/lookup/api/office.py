"""The office: all that needs a key, and the gate that tells who has which."""

from collections.abc import Sequence
from typing import Final

from litestar.di import Provide
from litestar.types import ControllerRouterHandler, Scope
from redis.asyncio import Redis

from pipeline.control.desk import ControlDesk
from pipeline.lookup.access.caller import Caller, caller_of
from pipeline.lookup.access.gate import Gate
from pipeline.lookup.access.limits import Limiter
from pipeline.lookup.access.mirror import Mirror
from pipeline.lookup.access.tokens import Tokens
from pipeline.lookup.alerts.checks import ChannelChecks
from pipeline.lookup.api.alerts import (
    delete_rule,
    delete_silence,
    get_alerts,
    get_rule_deliveries,
    get_rules,
    get_silences,
    post_acknowledgement,
    post_silence,
    put_rule,
)
from pipeline.lookup.api.events import Ingestion, post_events
from pipeline.lookup.api.forgetting import delete_forgotten, delete_user, get_forgotten
from pipeline.lookup.api.overrides import delete_override, get_overrides, put_override
from pipeline.lookup.api.subscriptions import (
    delete_subscription,
    get_deliveries,
    get_subscriptions,
    post_subscription,
    post_subscription_test,
)
from pipeline.lookup.api.tokens import post_token
from pipeline.lookup.connection import connect
from pipeline.lookup.delivery.queue import DeliveryQueue
from pipeline.lookup.ingest.door import Door
from pipeline.settings import Settings

_TIMEOUT_S: Final = 0.4
_LIMITER_TIMEOUT_S: Final = 0.1
"""Short: while Redis hangs, a reader shall still be told so within a second."""

OFFICE_HANDLERS: Final[Sequence[ControllerRouterHandler]] = (
    post_token,
    post_events,
    delete_user,
    get_forgotten,
    delete_forgotten,
    get_overrides,
    put_override,
    delete_override,
    post_subscription,
    get_subscriptions,
    delete_subscription,
    post_subscription_test,
    get_deliveries,
    get_rules,
    put_rule,
    delete_rule,
    get_rule_deliveries,
    get_alerts,
    get_silences,
    post_silence,
    delete_silence,
    post_acknowledgement,
)


class Office:
    """What the private handlers share."""

    def __init__(self, settings: Settings, door: Door, redis: Redis, limiter_redis: Redis) -> None:
        self._connections = (redis, limiter_redis)
        self._door = door
        self.desk = ControlDesk(settings, Mirror(redis))
        self.tokens = Tokens(redis)
        self.deliveries = DeliveryQueue(redis)
        self.checks = ChannelChecks(settings)
        limiter = Limiter(limiter_redis)
        self.gate = Gate(settings, self.desk.table, limiter, self.tokens)
        self.ingestion = Ingestion(settings, door, limiter)

    @classmethod
    def open(cls, settings: Settings, door: Door) -> "Office":
        """
        Return an office that connects when it starts.

        Raises:
            ConfigError: A setting cannot be used.
        """
        return cls(settings, door, connect(settings.redis, _TIMEOUT_S), connect(settings.redis, _LIMITER_TIMEOUT_S))

    def dependencies(self) -> dict[str, Provide]:
        """Return what handlers can ask for by name."""
        return {
            "desk": Provide(lambda: self.desk, sync_to_thread=False),
            "tokens": Provide(lambda: self.tokens, sync_to_thread=False),
            "ingestion": Provide(lambda: self.ingestion, sync_to_thread=False),
            "checks": Provide(lambda: self.checks, sync_to_thread=False),
            "deliveries": Provide(lambda: self.deliveries, sync_to_thread=False),
            "caller": Provide(_caller, sync_to_thread=False),
        }

    def start(self) -> None:
        """Begin to follow the control records, and to connect."""
        self.desk.start()
        self._door.start()

    async def close(self) -> None:
        """Stop and disconnect."""
        await self._door.close()
        await self.desk.close()
        for redis in self._connections:
            await redis.aclose()


def _caller(scope: Scope) -> Caller:
    return caller_of(scope)
