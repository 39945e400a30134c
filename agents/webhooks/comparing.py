"""What a body says is compared with what was said before: totals, and what networks tell more than once."""

from functools import partial

from agents.settled import SettledTable
from agents.totals import Totals
from agents.webhooks.reading import Body

REMEMBERED = 1_000_000
"""Totals, and events that are told of again, that are kept on disk: some 100 MB."""


class Comparing:
    """Decides what of a body is new; what is decided is remembered once the broker has it."""

    def __init__(self, table: SettledTable) -> None:
        self.table = table
        self._totals = Totals(table)

    def compare(self, body: Body, now: int) -> None:
        """
        Give the events whose fate is open one each.

        Args:
            body: Its news and totals become items, or are skipped; `settled` is set.
            now: Unix ms.
        """
        for event in body.news:
            if self.table.get(event.id) is not None:
                body.skip("known")
                continue
            self.table.put(event.id, b"")
            body.items.append(event)
        for total in body.totals:
            fate = self._totals.read(total, now)
            if isinstance(fate, str):
                body.skip(fate)
            else:
                body.items.extend(fate)
        if body.news or body.totals:
            body.settled = partial(self.table.settle, self.table.take())
