"""Every record goes to the topic of its kind and to the partition of its key."""

import msgspec
import pytest
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from agents.protocol import Record
from agents.routes import Routes
from pipeline.partitioner import murmur2, partitions_of
from pipeline.settings import Settings
from schemas import Engagement, Identity, Kind, Post, Profile, Tick
from tests.unit.agents.samples import like

ROUTES = Routes(Settings(partitions=8))


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=40))
def test_the_hash_is_that_of_kafka(keys: list[bytes]) -> None:
    """Producers in other languages put a user's records into the same partition."""
    assert murmur2(keys).tolist() == [reference(key) & 0xFFFFFFFF for key in keys]


@pytest.mark.parametrize(
    ("kind", "topic"), [("like", "likes"), ("share", "shares"), ("comment", "comments"), ("follow", "follows")]
)
def test_an_engagement_goes_to_the_topic_of_its_kind_keyed_by_its_target(kind: Kind, topic: str) -> None:
    """The value is the record, as JSON."""
    event = like(kind=kind)
    (chunk,) = ROUTES.route([event])
    assert (chunk.topic, chunk.keys) == (topic, [b"n:t"])
    assert msgspec.json.decode(chunk.values[0], type=Engagement) == event


def test_other_records_are_keyed_by_whom_they_are_about() -> None:
    """Author, user and account."""
    records: list[Record] = [
        Post(id="n:p", network="n", author="n:author", time=1),
        Profile(user="n:user", network="n", time=1),
        Identity(account="n:account", user="m:b", time=1),
    ]
    keys = {chunk.topic: chunk.keys for chunk in ROUTES.route(records)}
    assert keys == {"posts": [b"n:author"], "profiles": [b"n:user"], "identities": [b"n:account"]}


def test_records_of_a_partition_keep_their_order() -> None:
    """A batch is only sorted by partition."""
    events = [like(n, target=f"n:{n % 50}") for n in range(1_000)]
    chunks = ROUTES.route(events)
    assert sum(len(chunk.values) for chunk in chunks) == len(events)
    for chunk in chunks:
        ids = [int(msgspec.json.decode(value)["id"].rpartition("/")[2]) for value in chunk.values]
        assert ids == sorted(ids)
        assert set(partitions_of([key or b"" for key in chunk.keys], 8).tolist()) == {chunk.partition}


def test_a_tick_goes_to_every_partition() -> None:
    """Time passes everywhere."""
    chunks = ROUTES.tick(Tick("test", 5))
    assert [chunk.partition for chunk in chunks] == list(range(8))
    assert {(chunk.topic, *chunk.keys, *chunk.values) for chunk in chunks} == {
        ("ticks", None, b'{"source":"test","time":5}')
    }


def test_nothing_goes_nowhere() -> None:
    """An empty batch is no batch."""
    assert ROUTES.route([]) == []
