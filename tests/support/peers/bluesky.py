"""What happens at a made-up Bluesky, frame by frame, and what must be in the log because of it."""

import random
from collections.abc import Iterator
from typing import Any

_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"


def tid(time_us: int) -> str:
    """Return the record key of a moment."""
    value = time_us << 10
    return "".join(_DIGITS[value >> shift & 31] for shift in range(60, -1, -5))


def commit(did: str, time_us: int, operation: str, collection: str, rkey: str, record: Any = None) -> dict[str, Any]:
    """Return a commit as version 1 frames it."""
    body = {"rev": tid(time_us), "operation": operation, "collection": collection, "rkey": rkey}
    if record is not None:
        body |= {"record": {"$type": collection, **record}, "cid": "bafyreib2rxk3rh6kzwq"}
    return {"did": did, "time_us": time_us, "kind": "commit", "commit": body}


class Happenings:
    """
    Makes up likes, reposts, follows, posts, answers, and deletions of likes that are not quite new.

    `expected` holds (id, undo) of each engagement that must be in the log.
    """

    def __init__(self, seed: int, start_us: int, *, step_us: int, people: int = 200) -> None:
        self._random = random.Random(seed)
        self._time_us = start_us
        self._step_us = step_us
        self._people = [f"did:plc:person{n:06d}aaaaaaaaaaa" for n in range(people)]
        self._likes: list[tuple[str, str]] = []
        self.expected: set[tuple[str, bool]] = set()

    def frames(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield the next frames."""
        for _ in range(count):
            self._time_us += self._step_us
            yield self._next()

    def _next(self) -> dict[str, Any]:
        draw, time_us, key = self._random.random(), self._time_us, tid(self._time_us)
        actor, target = self._random.sample(self._people, 2)
        post = f"at://{target}/app.bsky.feed.post/3mpsjbtci2c2o"
        if draw < 0.05 and len(self._likes) > 50:
            did, rkey = self._likes.pop(self._random.randrange(len(self._likes) - 20))
            self._expect(did, "app.bsky.feed.like", rkey, undo=True)
            return commit(did, time_us, "delete", "app.bsky.feed.like", rkey)
        if draw < 0.7:
            self._likes.append((actor, key))
            return self._made(actor, "app.bsky.feed.like", key, {"subject": {"uri": post, "cid": "bafy"}})
        if draw < 0.8:
            return self._made(actor, "app.bsky.feed.repost", key, {"subject": {"uri": post, "cid": "bafy"}})
        if draw < 0.88:
            return self._made(actor, "app.bsky.graph.follow", key, {"subject": target})
        if draw < 0.96:
            ref = {"uri": post, "cid": "bafy"}
            return self._made(actor, "app.bsky.feed.post", key, {"text": "so", "reply": {"root": ref, "parent": ref}})
        return commit(actor, time_us, "create", "app.bsky.feed.post", key, {"text": "hello"})

    def _made(self, did: str, collection: str, rkey: str, record: dict[str, Any]) -> dict[str, Any]:
        self._expect(did, collection, rkey, undo=False)
        return commit(did, self._time_us, "create", collection, rkey, record)

    def _expect(self, did: str, collection: str, rkey: str, *, undo: bool) -> None:
        self.expected.add((f"bluesky:{did}/{collection}/{rkey}", undo))
