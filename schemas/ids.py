"""
Ids on the wire: `network:native-id`.

The network is everything before the first colon.
The native id is the account's own id at its network and may itself hold colons.
"""


def network_of(user: str) -> str:
    """
    Return the network of a user id, for example `bluesky` of `bluesky:did:plc:aaa`.

    An id without a colon has the network `""`.
    """
    network, colon, _ = user.partition(":")
    return network if colon else ""


def native_of(user: str) -> str:
    """Return the id at its network: `did:plc:aaa` of `bluesky:did:plc:aaa`."""
    _, colon, native = user.partition(":")
    return native if colon else user


def is_user_id(user: str) -> bool:
    """Tell whether `user` has a network and a native id, both not empty."""
    network, colon, native = user.partition(":")
    return bool(network and colon and native)
