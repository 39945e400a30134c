"""The agent `webhook`: networks POST to /NAME what happened; the answer is 200 once it is in the log."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from agents.deliveries import Deliveries
from agents.protocol import Batch, Position
from agents.receiver import Answer, Request, serving
from agents.settled import SettledTable
from agents.webhooks.bodies import BodyError, decode
from agents.webhooks.comparing import Comparing
from agents.webhooks.leases import Leases
from agents.webhooks.mapping import Mapping as NetworkMapping
from agents.webhooks.reading import read
from agents.webhooks.signing import is_signed, shake_hands, verify_token
from pipeline.clock import Clock, system_clock
from pipeline.errors import ConfigError
from pipeline.logs import get_logger

_TELL_S: Final = 3_600.0

log = get_logger(__name__)


class Webhooks:
    """Receives for every network that a secret is known for."""

    name = "webhook"
    live = True

    def __init__(
        self,
        mappings: Mapping[str, NetworkMapping],
        secrets: Mapping[str, str],
        host: str,
        port: int,
        *,
        table: SettledTable,
        clock: Clock = system_clock,
    ) -> None:
        """
        Receive at an address.

        Args:
            mappings: By name.
            secrets: By the name of the mapping.
            host: Where to listen.
            port: Where to listen.
            table: Where totals, and what is told more than once, are remembered.
            clock: The wall clock, Unix ms.

        Raises:
            ConfigError: There is no secret, or one of a network that is not known.
        """
        known = ", ".join(sorted(mappings))
        if unknown := sorted(secrets.keys() - mappings.keys()):
            raise ConfigError(f"CLOUT_WEBHOOK_SECRETS names {', '.join(unknown)}; known are {known}")
        if not secrets:
            raise ConfigError(
                'no network has a secret: set CLOUT_WEBHOOK_SECRETS={"github": ".."}, '
                f"with those that the networks were given; known are {known}"
            )
        self._mappings = mappings
        self._secrets = secrets
        self._host, self._port = host, port
        self._clock = clock
        self._comparing = Comparing(table)
        self._leases = Leases(table)
        self._deliveries = Deliveries()

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:  # noqa: ARG002 - networks keep it
        """Yield what is POSTed."""
        telling = asyncio.create_task(self._tell())
        try:
            async with serving(self._host, self._port, self.answer):
                for name, secret in self._secrets.items():
                    log.info(
                        "receiving",
                        network=self._mappings[name].network,
                        url=f"http://{self._host}:{self._port}/{name}",
                        verify_token=verify_token(secret),
                    )
                async for batch in self._deliveries.batches():
                    yield batch
        finally:
            telling.cancel()

    async def answer(self, request: Request) -> Answer:
        """Answer a request; whatever it is, its fate is counted."""
        name = request.path.strip("/")
        mapping, secret = self._mappings.get(name), self._secrets.get(name)
        if mapping is None or secret is None:
            return Answer(404, f"no network here: /{' /'.join(self._secrets)}\n".encode())
        if request.method == "GET":
            return self._shaken(mapping, secret, request)
        if request.method != "POST":
            return Answer(405, b"GET and POST only\n")
        if not is_signed(mapping.signature, secret, request, self._clock()):
            problem = Answer(401, f"{mapping.signature.header} is missing or wrong\n".encode())
            return await self._deliveries.refused("bad_signature", request, problem)
        return await self._take(mapping, request)

    async def _take(self, mapping: NetworkMapping, request: Request) -> Answer:
        try:
            body = decode(request.body)
        except BodyError:
            problem = Answer(400, b"the body is neither JSON nor a feed\n")
            return await self._deliveries.refused("malformed", request, problem)
        batch = read(mapping, body, request.headers, self._clock())
        self._comparing.compare(batch, self._clock())
        return await self._deliveries.stored(batch, request, Answer(200, b"stored\n"))

    def _shaken(self, mapping: NetworkMapping, secret: str, request: Request) -> Answer:
        answer = shake_hands(mapping.handshake, secret, request)
        topic = request.query.get("hub.topic")
        if topic is not None and answer.status == 200:
            if request.query.get("hub.mode") == "subscribe":
                self._leases.note(topic, request.query.get("hub.lease_seconds", ""), self._clock())
            else:
                log.warning("a hub ends a subscription", topic=topic, mode=request.query.get("hub.mode"))
                self._leases.end(topic)
        return answer

    async def _tell(self) -> None:
        while True:
            self._leases.tell(self._clock())
            await asyncio.sleep(_TELL_S)
