"""A tick: time passes although nothing happens."""

import msgspec

from schemas.engagement import Id, Time


class Tick(msgspec.Struct, frozen=True, gc=False):
    """A record of `clout.ticks`, written to every partition once a minute by each running agent."""

    source: Id
    time: Time
