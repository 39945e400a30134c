"""The index of rows: ids to numbers and back, as a dictionary would."""

import random

import numpy as np

from pipeline.scoring import weights
from pipeline.state.packed import Packed
from pipeline.state.packing import network_numbers
from pipeline.state.row_index import RowIndex


def test_ids_are_numbered_as_they_come() -> None:
    """Also an id that comes twice at once, or again later, and ids of every length."""
    rng = random.Random(1)
    index, truth = RowIndex(), {}
    ids = [f"n:{'x' * (i % 70)}{i}é".encode() for i in range(3_000)]
    for _ in range(30):
        keys = rng.choices(ids, k=300)
        for key in keys:
            truth.setdefault(key, len(truth))
        assert index.add(Packed.of(keys)).tolist() == [truth[key] for key in keys]
    assert len(index) == len(truth)
    assert index.find(Packed.of(ids)).tolist() == [truth.get(key, -1) for key in ids]
    assert index.names(np.arange(len(index))) == list(truth)


def test_an_id_that_was_removed_gets_another_number() -> None:
    """Its old number stays nobody's, also when the table has grown since."""
    index = RowIndex()
    index.add(Packed.of([b"n:a", b"n:b", b"n:c"]))
    index.remove(1)
    assert index.get(b"n:b") is None
    assert index.add(Packed.of([b"n:b", b"n:c"])).tolist() == [3, 2]
    index.add(Packed.of([b"n:%d" % i for i in range(5_000)]))
    assert (index.get(b"n:a"), index.get(b"n:b"), index.name(1)) == (0, 3, b"")


def test_rows_know_their_networks() -> None:
    """By what stands before the first colon; a network without weights is 0."""
    index = RowIndex()
    networks = [*weights.NETWORKS, "nowhere", "ünknown"]
    index.add(Packed.of([b"first:x", *[f"{name}:a:b".encode() for name in networks]]))
    assert network_numbers(index.network_digests(1)).tolist() == [weights.network_index(name) for name in networks]


def test_ascii_is_told_from_other_text() -> None:
    """Wherever the odd byte stands, and whatever follows the text in its buffer."""
    texts = [b"", b"a" * 40, *[b"a" * i + "é".encode() + b"b" * (9 - i) for i in range(10)], b"abc", b"\xff"]
    assert Packed.of(texts).is_ascii().tolist() == [text.isascii() for text in texts]
