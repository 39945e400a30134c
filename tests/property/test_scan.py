"""The scanner reads what msgspec reads, or leaves it alone; it never reads anything else."""

import random

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.state.decode import EventDecoder
from pipeline.state.lines import lines_of, read_lines
from pipeline.state.packed import Packed
from pipeline.state.records import Records, Refusal
from pipeline.state.scan import scan
from pipeline.state.xxh64 import digest_at, digest_of, digest_of_id
from schemas import KINDS, Engagement

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Engagement).decode
# Plain, escaped, of several bytes, and beyond the first plane.
_TEXT = st.text(st.sampled_from('ab:/"\\\n\t\x1fé☃\U0001f600\x7f '), min_size=1, max_size=40)


@st.composite
def engagements(draw: st.DrawFn) -> Engagement:
    """Draw an engagement with any of the optional fields."""
    return Engagement(
        id=draw(_TEXT),
        kind="like",
        network=draw(_TEXT),
        actor=draw(_TEXT),
        target=draw(_TEXT),
        time=draw(st.integers(0, 1 << 70)),
        object=draw(st.none() | _TEXT),
        undo=draw(st.booleans()),
        tags=draw(st.none() | st.lists(_TEXT, max_size=4)),
        actor_score=draw(st.none() | st.floats(0, 100)),
        actor_nth=draw(st.none() | st.integers(0, 1 << 70)),
        actor_since=draw(st.none() | st.integers(0, 1 << 70)),
        mutual=draw(st.none() | st.booleans()),
    )


def shuffled(value: bytes, seed: int) -> bytes:
    """Return the same JSON object with its fields in another order, and with space between them."""
    fields = list(msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items())
    random.Random(seed).shuffle(fields)
    return b"{ %s }" % b" ,\n".join(_ENCODE(name) + b" : " + bytes(raw) for name, raw in fields)


@given(event=engagements(), seed=st.integers(0, 9))
def test_what_is_decoded_is_what_msgspec_says(event: Engagement, seed: int) -> None:
    """Any engagement, however it is written: every column, and the text behind it."""
    value = shuffled(_ENCODE(event), seed)
    refusals: list[Refusal] = []
    decoder = EventDecoder(Engagement, 1 << 20, "like")
    decoded = decoder.decode(Records.of(0, 1, [0], [0], [event.target.encode()], [value]), refusals)
    assert not refusals
    (read,) = decoded.events
    assert read["time"] == min(event.time, 1 << 62)
    assert read["actor"] == digest_of_id(event.actor)
    assert read["user"] == digest_of_id(event.target)
    assert (bool(read["undo"]), bool(read["mutual"])) == (event.undo, bool(event.mutual))
    assert bool(read["own"]) == (event.actor == event.target)
    assert read["score"] == (-1.0 if event.actor_score is None else event.actor_score)
    assert read["nth"] == (-1 if event.actor_nth is None else min(event.actor_nth, 1 << 62))
    assert read["since"] == (-1 if event.actor_since is None else min(event.actor_since, 1 << 62))
    (line,) = read_lines(lines_of(decoded.buffer, decoded.events)[1].tobytes())
    assert (line.actor, line.target, line.tags) == (event.actor, event.object or "", event.tags or [])


@settings(max_examples=300)
@given(event=engagements(), at=st.integers(0, 400), new=st.binary(max_size=3), cut=st.integers(0, 3))
def test_damaged_bytes_are_left_alone_or_read_as_msgspec_reads_them(
    event: Engagement, at: int, new: bytes, cut: int
) -> None:
    """Bytes replaced, removed and inserted: what the scanner accepts msgspec accepts, and means the same by it."""
    plain = msgspec.structs.replace(event, time=event.time % 10**12, actor_score=None, actor_nth=7, actor_since=None)
    value = _ENCODE(plain)
    damaged = value[:at] + new + value[at + cut :]
    try:
        truth: Engagement | None = _DECODE(damaged)
    except (msgspec.MsgspecError, UnicodeError):
        truth = None
    key = truth.target.encode() if truth is not None else event.target.encode()
    (read,) = scan(Packed.of([damaged]), Packed.of([key]), KINDS.index("like"))
    if read["is_read"]:
        assert truth is not None
        assert (read["time"], read["nth"]) == (truth.time, -1 if truth.actor_nth is None else truth.actor_nth)
        assert read["actor"] == digest_of_id(truth.actor)
        assert (bool(read["undo"]), bool(read["mutual"])) == (truth.undo, bool(truth.mutual))


@given(before=st.binary(max_size=9), text=st.binary(min_size=1, max_size=200), seed=st.integers(0, 2))
def test_digests_of_parts_of_a_buffer_are_the_librarys(before: bytes, text: bytes, seed: int) -> None:
    """XXH64, wherever the text begins."""
    buffer = np.frombuffer(before + text + bytes(8), np.uint8)
    assert int(digest_at(buffer, len(before), len(text), np.uint64(seed))) == digest_of(text, seed)
