"""The nemesis: decides when something is done to the pipeline. A seed repeats its decisions."""

import os
import random
import time
from typing import Final

SEED_VARIABLE: Final = "NEMESIS_SEED"


class Nemesis:
    """Random moments from a seed, which it prints: the report of a failed test shows it."""

    def __init__(self, seed: int | None = None) -> None:
        """
        Take a seed: the one given, or that of the environment, or a new one.

        Args:
            seed: `NEMESIS_SEED` goes before it.
        """
        given = os.environ.get(SEED_VARIABLE)
        self.seed = int(given) if given else random.SystemRandom().randrange(1 << 32) if seed is None else seed
        self.random = random.Random(self.seed)
        self.done: list[str] = []
        """What was done, in order."""
        print(f"nemesis: {SEED_VARIABLE}={self.seed} repeats this")

    def moment(self, least_s: float, most_s: float) -> None:
        """Let a random time pass: what is done next comes unexpected."""
        time.sleep(self.random.uniform(least_s, most_s))

    def chance(self, share: float) -> bool:
        """Return True in this share of the cases."""
        return self.random.random() < share

    def note(self, what: str) -> None:
        """Note what was done."""
        self.done.append(what)
        print(f"nemesis: {what}")
