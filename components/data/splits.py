"""Who is trained on, who is validated on, and who is only ever tested: by rule and seed, a concept or a group at a time.

SplitRule is for sources that know designers: a picture's split follows from (seed, concept, designers) alone, so adding or reordering concepts moves no other one.
Every concept of `pair` and `val` is also trained on, drawn by another hand; no concept of `concept` and `both` is.
RankRule is for a person's own pictures, however few: all groups in the order of their hashes, the first of them held out.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.contracts.errors import DataError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRule:
    """Shares of the groups, of which each split gets its part even where there are few.

    Groups stand in the order of chance(seed, "own", group); the first go to `pair`, the next to `val`, the rest to
    `train`. One group more moves at most three others, whatever it is called.

    Args:
        pair_share: of all groups, those only ever tested on.
        val_share: of all groups, those used to choose.
        least: groups that each split has at least, where there are three times as many; else one each.
        most_of_few: groups that each split has, where these are no more than a fifth.
    """

    pair_share: float = 0.10
    val_share: float = 0.10
    least: int = 2
    most_of_few: int = 5

    def assign(self, seed: int, groups: Iterable[str]) -> dict[str, str]:
        """Return group -> split. DataError for fewer than three groups: there is nothing to hold out."""
        ranked = sorted(set(groups), key=lambda group: (chance(seed, "own", group), group))
        if len(ranked) < 3:
            raise DataError(
                f"there are {len(ranked)} groups of pictures, and train, val and pair need one each at the least: what is "
                "measured must not be what was trained on. Bring more pictures, or finer groups."
            )
        least = self.least if len(ranked) >= 3 * self.least else 1
        least = max(least, min(self.most_of_few, len(ranked) // 5))  # of few pictures a tenth would say nothing
        pair, val = (max(least, round(share * len(ranked))) for share in (self.pair_share, self.val_share))
        split_at = {place: "pair" if place < pair else "val" for place in range(pair + val)}
        return {group: split_at.get(place, "train") for place, group in enumerate(ranked)}


def chance(seed: int, what: str, name: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the arguments, the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{what}:{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
