"""Names that stand with the wrong picture, as many captions of the web do: a share of the pictures that are trained on, whose names go round among them."""

from collections.abc import Iterable, Mapping, Sequence

from components.data.splits import SplitRule, chance

Picture = tuple[str, str]
"""The code of a concept, and its designer."""


def shuffled_names(
    codes: Iterable[tuple[str, str]], designers: Sequence[str], rule: SplitRule, seed: int, share: float
) -> Mapping[Picture, str]:
    """Return picture -> the code of the concept whose names it has instead; never its own.

    Args:
        codes: of each concept, and the label by which it is split.
        designers: who drew it.
        share: of the pictures of the split `train`, each by a draw of its own; a larger share shuffles those of a smaller one and more.

    What is never trained on lends no name. Names go round, so each is as frequent as before.
    """
    drawn = [
        (code, who)
        for code, label in codes
        for who, split in rule.assign(seed, label, designers).items()
        if split == "train" and chance(seed, "shuffled", f"{who}-{code}") < share
    ]
    drawn.sort(key=lambda one: chance(seed, "shuffled to", "-".join(one)))
    for turn in range(1, len(drawn)):
        turned = [*drawn[turn:], *drawn[:turn]]
        if all(mine[0] != theirs[0] for mine, theirs in zip(drawn, turned, strict=True)):
            return {mine: theirs[0] for mine, theirs in zip(drawn, turned, strict=True)}
    return {}  # pictures of one concept alone, or none
