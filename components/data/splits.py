"""Who is trained on, who is validated on, and who is only ever tested: by rule and seed, a concept at a time.

A picture's split follows from (seed, concept, designers) alone, so adding or reordering concepts moves no other one.
Every concept of `pair` and `val` is also trained on, drawn by another hand; no concept of `concept` and `both` is.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """Shares of the concepts.

    Args:
        held_out: the designer nobody trains on: `designer`, or `both` where the concept is held out too.
        concept_share: concepts never trained on, of all.
        pair_share: of the others, those that give one seen designer's picture to `pair`.
        val_share: of the others, those that give one seen designer's picture to `val`.
    """

    held_out: str
    concept_share: float = 0.10
    pair_share: float = 0.17
    val_share: float = 0.12

    def assign(self, seed: int, concept: str, designers: Sequence[str]) -> dict[str, str]:
        """Return designer -> split for the designers that drew this concept."""
        seen = sorted(set(designers) - {self.held_out})
        if chance(seed, "concept", concept) < self.concept_share:
            return {who: "both" if who == self.held_out else "concept" for who in designers}
        splits = {who: "designer" if who == self.held_out else "train" for who in designers}
        if len(seen) > 1:  # one picture goes, another stays to be trained on
            lot = chance(seed, "pool", concept)
            taken = seen[int(chance(seed, "picture", concept) * len(seen))]
            if lot < self.pair_share:
                splits[taken] = "pair"
            elif lot < self.pair_share + self.val_share:
                splits[taken] = "val"
        return splits


def chance(seed: int, what: str, name: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the arguments, the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{what}:{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
