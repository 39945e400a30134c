"""Topics: Klout's names and ids for the tags of posts."""

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

import msgspec
import xxhash

_BREAKS: Final = re.compile(r"[\W_]+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TAGS_KNOWN: Final = 65_536
"""Tags whose topics are kept in memory: the frequent ones come again and again."""
_OWN_IDS: Final = 1 << 62
"""Our own ids lie in the upper half of 63 bits: a client reads them like Klout's."""


class Topic(msgspec.Struct, frozen=True, rename="camel"):
    """A topic as `/topics` answers it; clients of different years read different fields of the same meaning."""

    id: str
    display_name: str
    name: str
    slug: str
    image_url: str
    """Always empty: Klout's images are gone."""
    display_type: str
    topic_type: str
    """`sub` for a topic of Klout's, `entity` for any other."""


@lru_cache(maxsize=_TAGS_KNOWN)
def topic_of(tag: str) -> Topic | None:
    """Return the topic that a tag names, or None for a tag without a letter or digit."""
    slug = slug_of(tag)
    if not slug:
        return None
    known = _table().get(slug) or _table().get(slug.replace("-", ""))
    if known is not None:
        return known
    number = str(_OWN_IDS | (xxhash.xxh3_64_intdigest(slug.encode()) >> 2))
    name = slug.replace("-", " ").title()
    return _topic(number, slug, name, "entity")


def slug_of(tag: str) -> str:
    """Return a tag in the form of Klout's slugs: `machine-learning` of `#MachineLearning` or `machine learning`."""
    return _BREAKS.sub("-", _HUMP.sub("-", tag)).strip("-").lower()


def topics_of(tags: list[str]) -> list[Topic]:
    """Return the topics of tags in their order, each once."""
    found = (topic_of(tag) for tag in tags)
    return list({topic.id: topic for topic in found if topic is not None}.values())


@cache
def _table() -> dict[str, Topic]:
    """Return the topics that we know of Klout's, by slug with and without its dashes."""
    text = files(__package__).joinpath("data/topics.tsv").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    topics = [_topic(number, slug, name, "sub") for number, slug, name in lines]
    return {topic.slug.replace("-", ""): topic for topic in topics} | {topic.slug: topic for topic in topics}


def _topic(number: str, slug: str, name: str, kind: str) -> Topic:
    return Topic(id=number, display_name=name, name=name, slug=slug, image_url="", display_type=kind, topic_type=kind)
