"""
The agent `youtube`: what the Data API says of channels; `webhooks/mappings/youtube.toml` says what it means.

Of each channel: the newest fifty videos and their likes, the comments since the last look, and how many subscribe. Four
calls a channel, so that the 10,000 that YouTube gives a day are enough for eight channels every five minutes.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Final

from agents.protocol import Batch, Position
from agents.settled import SettledTable
from agents.webhooks.comparing import Comparing
from agents.webhooks.mapping import load_all
from agents.webhooks.reading import read
from agents.youtube.api import HINT, Answer, Api, texts
from pipeline.clock import Clock, system_clock
from pipeline.errors import ConfigError
from pipeline.logs import get_logger
from pipeline.topics import DAY_MS

_PERIOD_S: Final = 300.0
_CALLS_A_DAY: Final = 9_000
"""What is used of the quota; the rest is for channels with many comments."""
_FIRST_MS: Final = 7 * DAY_MS
"""How far back the comments of a new channel are read."""
_AGAIN_MS: Final = 3_600_000
"""A comment may be held for review, and appear among earlier ones when it is released."""

log = get_logger(__name__)


class YouTube:
    """Asks about channels, one after the other."""

    name = "youtube"
    live = True

    def __init__(
        self, channels: Sequence[str], key: str, url: str, table: SettledTable, *, clock: Clock = system_clock
    ) -> None:
        """
        Ask about channels.

        Args:
            channels: Their ids.
            key: Of the Data API.
            url: Where the API is.
            table: Where totals and known comments are remembered.
            clock: The wall clock, Unix ms.

        Raises:
            ConfigError: There is no key.
        """
        if not key:
            raise ConfigError(f"there is no key: {HINT}")
        self._channels = channels
        self._key = key
        self._url = url
        self._mapping = load_all()["youtube"]
        self._comparing = Comparing(table)
        self._clock = clock
        self._period_s = max(_PERIOD_S, 86_400 * 4 * len(channels) / _CALLS_A_DAY)

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:  # noqa: ARG002 - the table keeps it
        """
        Yield what is new since the last look.

        Raises:
            SourceUnavailableError: YouTube does not answer.
            AccessRefusedError: It refuses the key, or the quota is used up.
        """
        async with Api(self._url, self._key) as api:
            log.info("asking", channels=list(self._channels), every_s=round(self._period_s))
            while True:
                for channel in self._channels:
                    async for batch in self._look(api, channel):
                        yield batch
                await asyncio.sleep(self._period_s)

    async def _look(self, api: Api, channel: str) -> AsyncGenerator[Batch]:
        said = await api.get("channels", part="snippet,statistics,contentDetails", id=channel)
        yield self._read(said)
        uploads = texts(said, "contentDetails.relatedPlaylists.uploads")
        if not uploads:
            log.warning("there is no such channel", channel=channel)
            return
        items = await api.get("playlistItems", part="snippet,contentDetails", playlistId=uploads[0], maxResults="50")
        yield self._read(items)
        videos = ",".join(texts(items, "contentDetails.videoId"))
        # Without commentCount: the comments themselves are read.
        fields = "items(kind,id,snippet(publishedAt,channelId),statistics(likeCount))"
        if videos:
            yield self._read(await api.get("videos", part="snippet,statistics", id=videos, fields=fields))
        async for batch in self._comments(api, channel):
            yield batch

    async def _comments(self, api: Api, channel: str) -> AsyncGenerator[Batch]:
        """Yield the comments since the last look that came to its end, the newest first."""
        key, now = f"looked:{channel}", self._clock()
        held = self._comparing.table.get(key)
        until = now - _FIRST_MS if held is None else int(held) - _AGAIN_MS
        asked = {"part": "snippet", "allThreadsRelatedToChannelId": channel, "order": "time", "maxResults": "100"}
        while True:
            page = await api.get("commentThreads", **asked)
            times = [_ms(text) for text in texts(page, "snippet.topLevelComment.snippet.publishedAt")]
            following = page.get("nextPageToken")
            is_last = not isinstance(following, str) or min(times, default=0) < until
            if is_last:
                # With the last page, so that a look that was broken off is made again.
                self._comparing.table.put(key, str(now).encode())
            yield self._read(page)
            if is_last:
                return
            asked["pageToken"] = str(following)

    def _read(self, answer: Answer) -> Batch:
        now = self._clock()
        body = read(self._mapping, answer, {}, now)
        self._comparing.compare(body, now)
        return body


def _ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
