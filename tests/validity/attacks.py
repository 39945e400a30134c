"""
Attacks that broke Klout, each beside an honest control of the same volume (../shared/klout.md, section 4).

A pair shares the accounts' scores and ages, the volume and the times; attacks.toml tells what differs, and holds the
ranges of all parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tests.validity.crowds import COMMENT, FOLLOW, LIKE, Crowd, Drawn, People, Span
from tests.validity.record import DAY


class Bought(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of bought engagement."""

    days: Span
    accounts: Span
    age_days: Span
    nth: Span


class Bots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of bots on a dormant account."""

    days: Span
    accounts: Span
    each: Span
    age_days: Span
    nth: Span


class Fan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of one fan's likes."""

    days: Span
    score: Span
    likes: int


class Pod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of an engagement pod."""

    days: Span
    members: int
    posts_a_day: Span
    nth: Span


class Farm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of a like farm."""

    days: Span
    accounts: Span
    nth: Span


class Ring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of a ring of returned follows."""

    days: Span
    members: Span


class Quotes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of a bot that posts all the time."""

    days: Span
    readers: Span
    posts_a_day: int


class FanClub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of a mutual fan club."""

    days: Span
    members: Span
    each: Span


class Newcomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of a newcomer who goes viral."""

    days: Span
    accounts: Span
    age_days: Span


class AllDay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges of accounts that serve the target at any time of their day."""

    nth: Span


class Ranges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file attacks.toml."""

    honest: People
    bought: Bought
    bots: Bots
    fan: Fan
    pod: Pod
    farm: Farm
    ring: Ring
    quotes: Quotes
    slow_ring: Ring
    fan_club: FanClub
    newcomer: Newcomer
    all_day: AllDay


RANGES: Final = msgspec.toml.decode(Path(__file__).with_name("attacks.toml").read_bytes(), type=Ranges)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two crowds that differ in one feature."""

    suspect: Crowd
    control: Crowd


Scenario = Callable[[Drawn], Pair]


def bought(drawn: Drawn) -> Pair:
    """Retweets and likes from accounts that work through a seller's orders."""
    ranges = RANGES.bought
    crowd = drawn.crowd(drawn.whole(ranges.accounts), drawn.number(ranges.days), age_days=ranges.age_days)
    control = replace(crowd, kind=np.where(crowd.kind == COMMENT, LIKE, crowd.kind))
    return Pair(replace(control, nth=drawn.log_uniform(ranges.nth, len(crowd))), control)


def bots(drawn: Drawn) -> Pair:
    """Accounts that like and share round the clock, several times each."""
    ranges = RANGES.bots
    accounts, each = drawn.whole(ranges.accounts), drawn.whole(ranges.each)
    control = drawn.crowd(accounts * each, drawn.number(ranges.days), age_days=ranges.age_days)
    control = _same_accounts(control, accounts)
    return Pair(replace(control, nth=drawn.log_uniform(ranges.nth, len(control))), control)


def fan(drawn: Drawn) -> Pair:
    """Ten thousand likes by one person; the control's are by as many people."""
    ranges = RANGES.fan
    crowd = drawn.crowd(ranges.likes, drawn.number(ranges.days))
    control = replace(crowd, kind=np.full(len(crowd), LIKE))
    score = round(2 * drawn.number(ranges.score))
    alone = replace(_same_accounts(control, 1), score=np.full(len(control), score))
    return Pair(replace(alone, nth=_day_by_day(alone)), control)


def pod(drawn: Drawn) -> Pair:
    """Fifty who like and comment on everything of each other's; the control's likes are by as many people."""
    ranges = RANGES.pod
    days = drawn.number(ranges.days)
    posts = drawn.times(round(days * drawn.number(ranges.posts_a_day)), days)
    volume = 2 * ranges.members * len(posts)
    control = replace(drawn.crowd(volume, days), kind=np.tile([LIKE, COMMENT], volume // 2), posts=posts)
    suspect = replace(
        _same_accounts(control, ranges.members),
        score=control.score,
        age_days=control.age_days,
        nth=drawn.log_uniform(ranges.nth, volume),
        mutual=np.ones(volume, np.bool_),
    )
    return Pair(suspect, control)


def farm(drawn: Drawn) -> Pair:
    """Accounts that like everyone, and so the target, too."""
    ranges = RANGES.farm
    crowd = drawn.crowd(drawn.whole(ranges.accounts), drawn.number(ranges.days))
    control = replace(crowd, kind=np.full(len(crowd), LIKE))
    return Pair(replace(control, nth=drawn.log_uniform(ranges.nth, len(crowd))), control)


def ring(drawn: Drawn) -> Pair:
    """Members who follow back whoever follows them."""
    return _ring(drawn, RANGES.ring)


def slow_ring(drawn: Drawn) -> Pair:
    """The ring, so slowly that no day stands out."""
    return _ring(drawn, RANGES.slow_ring)


def quotes(drawn: Drawn) -> Pair:
    """A fortune-cookie line every minute, liked and shared in passing; the control says a few things a day."""
    ranges = RANGES.quotes
    days = drawn.number(ranges.days)
    control = drawn.crowd(drawn.whole(ranges.readers), days)
    return Pair(replace(control, posts=drawn.times(round(days * ranges.posts_a_day), days)), control)


def all_day(attack: Scenario) -> Scenario:
    """Return an attack whose accounts come at any time of their day: a few of their engagements are among the first."""

    def drawn_from(drawn: Drawn) -> Pair:
        pair = attack(drawn)
        nth = drawn.random.integers(0, drawn.whole(RANGES.all_day.nth), len(pair.suspect))
        return replace(pair, suspect=replace(pair.suspect, nth=nth))

    return drawn_from


def fan_club(drawn: Drawn) -> Pair:
    """Fans who are answered; the control's fans are not."""
    ranges = RANGES.fan_club
    members, each = drawn.whole(ranges.members), drawn.whole(ranges.each)
    control = _same_accounts(drawn.crowd(members * each, drawn.number(ranges.days)), members)
    control = replace(control, mutual=np.zeros(len(control), np.bool_))
    return Pair(replace(control, mutual=~control.mutual), control)


def newcomer(drawn: Drawn) -> Pair:
    """A newcomer who goes viral among new accounts; the control's are as old as people's are."""
    ranges = RANGES.newcomer
    control = drawn.crowd(drawn.whole(ranges.accounts), drawn.number(ranges.days))
    return Pair(replace(control, age_days=drawn.log_uniform(ranges.age_days, len(control))), control)


ATTACKS: Final[dict[str, Scenario]] = {
    each.__name__: each for each in (bought, bots, fan, pod, farm, ring, quotes, slow_ring)
}
HONEST: Final[dict[str, Scenario]] = {each.__name__: each for each in (fan_club, newcomer)}
ALL_DAY: Final[dict[str, Scenario]] = {
    f"{each.__name__} (all day)": all_day(each) for each in (bought, bots, farm, pod)
}
"""What the stamps of single engagements cannot tell from people: how far it gets is told, and nothing is promised."""


def _ring(drawn: Drawn, ranges: Ring) -> Pair:
    crowd = drawn.crowd(drawn.whole(ranges.members), drawn.number(ranges.days))
    control = replace(crowd, kind=np.full(len(crowd), FOLLOW), mutual=np.zeros(len(crowd), np.bool_))
    return Pair(replace(control, mutual=~control.mutual), control)


def _same_accounts(crowd: Crowd, accounts: int) -> Crowd:
    """Return the same engagements by so many accounts in turn; what an account is like stays the same."""
    actor = np.arange(len(crowd)) % accounts
    return replace(
        crowd, actor=actor, age_days=crowd.age_days[actor], score=crowd.score[actor], mutual=crowd.mutual[actor]
    )


def _day_by_day(crowd: Crowd) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return how many of one actor's engagements came before each on its day."""
    order = np.argsort(crowd.time, kind="stable")
    days = crowd.time[order] // DAY
    nth = np.empty(len(crowd), np.int64)
    nth[order] = np.arange(len(crowd)) - np.searchsorted(days, days)
    return nth
