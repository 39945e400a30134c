"""Chains of offsets: which of the oracle's comparisons one fold of the log can serve, and in which order."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Chain: TypeAlias = list[tuple[dict[str, int], list[_T]]]
"""Offsets by source, none below those before it, and what is to be compared there."""


def chains(known: Iterable[tuple[Mapping[str, int], _T]]) -> list[Chain[_T]]:
    """
    Group what was made at the same offsets, and put the groups into chains.

    One owner of a partition makes one chain. Two that followed each other may have folded its topics in different
    orders: what the one had then lies neither before nor after what the other had, and needs a fold of its own.
    Each group goes to the first chain that it can follow; that is not always the least number of chains.

    Args:
        known: The offsets by source (a source that is not named counts as 0), and what was made there.
    """
    groups: dict[tuple[tuple[str, int], ...], list[_T]] = {}
    for offsets, each in known:
        groups.setdefault(tuple(sorted(offsets.items())), []).append(each)
    found: list[Chain[_T]] = []
    for items in sorted(groups, key=lambda items: sum(offset for _, offset in items)):
        offsets = dict(items)
        chain = next((chain for chain in found if _reaches(chain[-1][0], offsets)), None)
        if chain is None:
            found.append(chain := [])
        chain.append((offsets, groups[items]))
    return found


def _reaches(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return all(offset <= after.get(name, 0) for name, offset in before.items())
