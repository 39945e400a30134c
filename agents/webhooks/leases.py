"""Subscriptions at hubs end by themselves: what ends soon is told, with what to do, until it was renewed."""

from typing import Final

import msgspec

from agents.settled import SettledTable
from pipeline.logs import get_logger

_KEY: Final = "leases"
_SOON_MS: Final = 24 * 3_600_000
_MOST: Final = 10_000
"""Topics that are remembered."""

log = get_logger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, int]).decode


class Leases:
    """When each topic's subscription ends, Unix ms; on disk, for a restart must not forget one."""

    def __init__(self, table: SettledTable) -> None:
        held = table.get(_KEY)
        self._table = table
        self._ends: dict[str, int] = {} if held is None else _decode(held)

    def note(self, topic: str, seconds: str, now: int) -> None:
        """Note that a hub has confirmed a subscription; `seconds` is what it says."""
        if not seconds.isdecimal() or (len(self._ends) >= _MOST and topic not in self._ends):
            return
        self._ends[topic] = now + int(seconds[:9]) * 1_000
        log.info("subscribed", topic=topic, hours=int(seconds[:9]) // 3_600)
        self._keep()

    def end(self, topic: str) -> None:
        """Forget a topic that was given up."""
        self._ends.pop(topic, None)
        self._keep()

    def tell(self, now: int) -> None:
        """Warn of what ends soon, or has ended."""
        for topic, ends in self._ends.items():
            if ends - now < _SOON_MS:
                log.warning(
                    "a subscription has ended" if ends < now else "a subscription ends soon",
                    topic=topic,
                    hours=(ends - now) // 3_600_000,
                    hint="subscribe again at its hub, as agents/webhooks/README.md says",
                )

    def _keep(self) -> None:
        self._table.settle({_KEY: _encode(self._ends)})
