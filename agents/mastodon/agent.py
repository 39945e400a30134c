"""The agent `mastodon`: one server's public posts, and what others do to the account of the token."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from agents.mastodon.entities import Account, Event, Notification, Status
from agents.mastodon.records import Server
from agents.mastodon.streaming import Transport, listening
from agents.plausible import REASON, plausible
from agents.protocol import Batch, Item, Position
from pipeline.clock import Clock, system_clock
from pipeline.errors import AccessRefusedError, ConfigError, SourceUnavailableError
from pipeline.logs import get_logger
from schemas import Engagement, Post

_PAGE: Final = 80
"""Notifications of one request: the most that Mastodon gives."""
_TIMEOUT_S: Final = 15.0

log = get_logger(__name__)
_event = msgspec.json.Decoder(Event).decode
_status = msgspec.json.Decoder(Status).decode
_notification = msgspec.json.Decoder(Notification).decode
_notifications = msgspec.json.Decoder(list[msgspec.Raw]).decode
_account = msgspec.json.Decoder(Account).decode


class Mastodon:
    """Listens to one server; the position is the last notification, and what came since is fetched first."""

    name = "mastodon"
    live = True

    def __init__(self, server: str, token: str, transport: Transport = "auto", *, clock: Clock = system_clock) -> None:
        """
        Listen to a server.

        Args:
            server: https://host
            token: With the scopes read:statuses and read:notifications.
            transport: How to listen; auto is WebSocket where it can be had, else server-sent events.
            clock: The wall clock, Unix ms.

        Raises:
            ConfigError: The server is no address, or the token is missing.
        """
        address = urlsplit(server)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ConfigError(f"--server {server}: give https://host")
        self._url = f"{address.scheme}://{address.netloc}"
        self._hint = (
            f"make a token at {self._url}/settings/applications with the scopes read:statuses, read:notifications "
            "and profile, and set CLOUT_MASTODON_TOKEN"
        )
        if not token:
            raise ConfigError(f"there is no token: {self._hint}")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._server = Server(address.netloc.lower())
        self._transport = transport
        self._clock = clock
        self._last = ""
        self._whom = ""

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """
        Yield what was missed since `position`, then what the server says.

        Raises:
            SourceUnavailableError: The server does not answer.
            AccessRefusedError: It refuses the token.
        """
        self._last = str(position["notification"]) if position else ""
        hint = f"the token is not accepted: {self._hint}"
        async with (
            httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=_TIMEOUT_S) as api,
            listening(api, self._url, self._transport, hint=hint) as arriving,
        ):
            self._whom = _account(await self._get(api, "/api/v1/accounts/verify_credentials")).acct
            log.info("listening", server=self._url, account=self._whom)
            # The stream is open by now: between what is fetched and what is heard is no gap.
            while self._last and (missed := await self._missed(api)):
                yield self._batch(missed, self._read_notification)
            async with aclosing(arriving):
                async for arrived in arriving:
                    yield self._batch(arrived, self._read_event)

    async def _missed(self, api: httpx.AsyncClient) -> Sequence[bytes]:
        page = await self._get(api, f"/api/v1/notifications?min_id={self._last}&limit={_PAGE}")
        # The newest comes first.
        return [bytes(raw) for raw in reversed(_notifications(page))]

    async def _get(self, api: httpx.AsyncClient, path: str) -> bytes:
        try:
            answer = await api.get(path)
        except httpx.HTTPError as exc:
            raise SourceUnavailableError(f"{self._url}: {str(exc) or type(exc).__name__}") from exc
        if answer.status_code in {401, 403}:
            raise AccessRefusedError(
                f"{self._url} answers {answer.status_code}: the token is not accepted: {self._hint}"
            )
        if answer.status_code != httpx.codes.OK:
            raise SourceUnavailableError(f"{self._url}{path.partition('?')[0]} answers {answer.status_code}")
        return answer.content

    def _batch(self, arrived: Sequence[bytes | str], read: Callable[[bytes | str], list[Item] | str]) -> Batch:
        batch = Batch(read=len(arrived))
        now = self._clock()
        for message in arrived:
            try:
                fate = read(message)
            except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError):
                fate = "malformed" if message else "heartbeat"
            if not isinstance(fate, str):
                times = [item.time for item in fate if isinstance(item, Engagement | Post)]
                if not all(plausible(time, now) for time in times):
                    fate = REASON
                else:
                    batch.time = max([*times, batch.time or 0])
            if isinstance(fate, str):
                batch.skip(fate)
            else:
                batch.items.extend(fate)
        if self._last:
            batch.position = {"notification": self._last}
        return batch

    def _read_event(self, message: bytes | str) -> list[Item] | str:
        event = _event(message)
        if event.event == "notification":
            return self._read_notification(event.payload)
        if event.event == "update":
            return self._server.status(_status(event.payload))
        return self._server.deleted(event.payload) if event.event == "delete" else "other_event"

    def _read_notification(self, message: bytes | str) -> list[Item] | str:
        said = _notification(message)
        if said.id.isdigit() and int(said.id) > int(self._last or 0):
            self._last = said.id
        return self._server.followed(said, self._whom) if said.type == "follow" else self._server.notification(said)
