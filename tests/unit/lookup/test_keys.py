"""The names of keys in Redis are a contract."""

from pipeline.lookup import keys


def test_keys_are_those_of_the_contract() -> None:
    """Other programs read them."""
    assert keys.user("github:torvalds") == "clout:user:github:torvalds"
    assert keys.rank() == "clout:rank"
    assert keys.rank("bluesky") == "clout:rank:bluesky"
    assert keys.history("x:a") == "clout:history:x:a"
    assert keys.details("x:a") == "clout:details:x:a"
    assert keys.influencers("x:a") == "clout:influencers:x:a"
    assert keys.identity("x:a") == "clout:identity:x:a"
    assert keys.handle("github", "Torvalds") == "clout:handle:github:torvalds"
    assert keys.kloutid(7) == "clout:kloutid:7"
    assert (keys.CHANGES, keys.SPIKES) == ("clout:changes", "clout:spikes")
