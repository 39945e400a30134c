"""
A mapping: where in a network's body an event is, and what it means. A data file, mappings/NAME.toml.

README.md tells the format.
"""

from importlib.resources import files
from typing import Literal

import msgspec

from pipeline.errors import ConfigError
from schemas import Kind

Condition = dict[str, str | list[str]]
"""A path to the value, or one of the values, that must be there."""


class Signature(msgspec.Struct, forbid_unknown_fields=True):
    """How a body is signed: HMAC with the secret."""

    header: str
    hash: Literal["sha256", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    """Stands before the signature in the header."""
    salt: str = ""
    """Stands before the body in what is signed."""
    timed: bool = False
    """The header is `t=..,s=..`, and what is signed `t.body`."""


class Handshake(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a network asks whether the address is ours."""

    style: Literal["none", "hub", "crc", "challenge-code", "websub"] = "none"
    topic: str = ""
    """Of `websub`: how the topics begin that may be subscribed to."""


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """One kind of event; `{path}` in a text stands for a value of the body."""

    kind: Literal["like", "share", "comment", "follow", "post", "delete", "profile", "total"]
    id: str = ""
    """Without the network; for `delete` that of what is deleted, for `total` what is counted."""
    actor: str = ""
    """For `profile` whose it is."""
    target: str = ""
    object: str = ""
    time: str = ""
    """Without it the event happened when it came."""
    each: str = ""
    """Where the list of events is; parts between dots may be lists too."""
    when: Condition = {}
    has: list[str] = []
    lacks: list[str] = []
    undo: Condition = {}
    """With these values it is withdrawn."""
    once: bool = False
    """Of what the network tells more than once: a post that is edited, a page of comments."""
    totals: dict[Kind, str] = {}
    """Of a `total`: the path to the number of each kind; `time` is when what is counted was posted."""
    name: str = ""
    handle: str = ""
    url: str = ""
    avatar: str = ""
    followers: str = ""
    """Of a `profile`, with `name`, `handle`, `url` and `avatar`: the path to the number."""


class Mapping(msgspec.Struct, forbid_unknown_fields=True):
    """A network's file."""

    network: str
    about: str
    source: str
    """Where the network documents this."""
    tried: bool
    """Somebody here has seen it work with the real service."""
    signature: Signature
    event: list[Rule]
    handshake: Handshake = Handshake()
    ignore_case: bool = False
    """Names of accounts are the same in capitals and in small letters."""


def load_all() -> dict[str, Mapping]:
    """
    Return every mapping by its name: the last part of the address that a network is given.

    Raises:
        ConfigError: A file is not what it should be.
    """
    found = (entry for entry in files("agents.webhooks").joinpath("mappings").iterdir() if entry.name.endswith(".toml"))
    return {entry.name.removesuffix(".toml"): parse(entry.name, entry.read_bytes()) for entry in found}


def parse(name: str, text: bytes) -> Mapping:
    """
    Return the mapping in a file.

    Raises:
        ConfigError: It is none; the message names the field.
    """
    try:
        return msgspec.toml.decode(text, type=Mapping)
    except (msgspec.MsgspecError, ValueError) as exc:
        raise ConfigError(f"{name} is no mapping: {exc}") from exc
