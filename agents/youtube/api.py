"""The YouTube Data API, version 3 (developers.google.com/youtube/v3/docs): one call is one unit of the day's quota."""

from types import TracebackType
from typing import Final, Self

import httpx
import msgspec

from agents.webhooks.paths import found
from pipeline.errors import AccessRefusedError, SourceUnavailableError

HINT: Final = (
    "make a key for the YouTube Data API at console.cloud.google.com/apis/credentials, and set CLOUT_YOUTUBE_KEY"
)
_TIMEOUT_S: Final = 15.0
_REFUSALS: Final = {400, 401, 403}
_DISABLED: Final = "commentsDisabled"

Answer = dict[str, object]
_answer = msgspec.json.Decoder(Answer).decode


class Api:
    """Asks with a key."""

    def __init__(self, url: str, key: str) -> None:
        """Ask at `url`; the key goes into a header, for addresses are logged."""
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(base_url=self._url, headers={"X-Goog-Api-Key": key}, timeout=_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, what: str, **asked: str) -> Answer:
        """
        Return an answer; an empty one for comments that are turned off.

        Raises:
            SourceUnavailableError: YouTube does not answer.
            AccessRefusedError: It refuses the key, or the quota is used up.
        """
        try:
            answered = await self._client.get(f"/{what}", params=asked)
        except httpx.HTTPError as exc:
            raise SourceUnavailableError(f"{self._url}: {str(exc) or type(exc).__name__}") from exc
        status = answered.status_code
        try:
            body = _answer(answered.content)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
            raise SourceUnavailableError(f"{self._url}/{what} answers {status}, and no JSON") from exc
        if status == httpx.codes.OK:
            return body
        reasons = [found("reason", (error,)) for error in _objects(found("error.errors", (body,)))]
        if _DISABLED in reasons:
            return {}
        problem = f"{self._url}/{what} answers {status}: {found('error.message', (body,))}"
        if status in _REFUSALS:
            raise AccessRefusedError(f"{problem}: {HINT}")
        raise SourceUnavailableError(problem)


def texts(answer: Answer, path: str) -> list[str]:
    """Return what is at a path in each item of an answer."""
    values = (found(path, (item,)) for item in _objects(answer.get("items")))
    return [value for value in values if isinstance(value, str)]


def _objects(value: object) -> list[Answer]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
