"""Klout's numeric ids and names of networks, and ours."""

from typing import Final

import xxhash

from schemas import network_of

_HIGHEST: Final = (1 << 63) - 1
"""Clients read ids into signed 64-bit integers."""

_NETWORKS: Final = {
    "twitter": "twitter",
    "tw": "twitter",
    "gp": "googleplus",
    "ig": "instagram",
    "fb": "facebook",
}
"""Klout's words for networks; any other word is the name of one of ours."""

_WORDS: Final = {network: word for word, network in _NETWORKS.items() if len(word) == 2}

KLOUT: Final = frozenset({"klout", "ks"})
"""Klout's words for itself: `ks` in answers and documents, `klout` in the paths that worked."""


def klout_id(user: str) -> str:
    """
    Return the number that stands for a user: digits, from 1 to 2**63 - 1.

    It depends on the user's id alone, so that a rebuilt Redis and another deployment give the same.
    Where two users had the same (among ten million users: a chance of 1 in 200,000), the number means the one whose
    id comes first in the order of its bytes.
    """
    return str(xxhash.xxh3_64_intdigest(user.encode()) % _HIGHEST + 1)


def network_named(word: str) -> str:
    """Return our name of a network that a client calls `word`."""
    return _NETWORKS.get(word.lower(), word)


def word_of(user: str) -> str:
    """Return Klout's word for the network of a user id: `tw` of `twitter:11747`, our own where Klout had none."""
    network = network_of(user)
    return _WORDS.get(network, network)
