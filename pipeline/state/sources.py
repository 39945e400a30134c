"""The input topics as the state knows them: numbered, in the order of every offset vector."""

from typing import Final

from schemas import KINDS, Kind

SOURCES: Final = (
    "likes",
    "shares",
    "comments",
    "follows",
    "posts",
    "profiles",
    "ticks",
    "identities",
    "contributions",
)
"""Input topics without their prefix; a source's number is its place here."""

SOURCE_OF: Final = {name: number for number, name in enumerate(SOURCES)}
KIND_OF_SOURCE: Final[dict[int, Kind]] = dict(enumerate(KINDS))
"""The kind of engagement that each of the first four sources carries."""

POSTS: Final = SOURCE_OF["posts"]
PROFILES: Final = SOURCE_OF["profiles"]
TICKS: Final = SOURCE_OF["ticks"]
IDENTITIES: Final = SOURCE_OF["identities"]
CONTRIBUTIONS: Final = SOURCE_OF["contributions"]
POST_KIND: Final = len(KINDS)
"""A post among the kinds of events in a row."""
