"""What a recipe claims, as numbers that are written down before anything is run: arms, seeds, and how far apart they must be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from components.contracts.errors import ConfigError
from components.recipes.params import UNTRAINED

CHANCE = "chance"  # what a claim may be held against, beside an arm


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train, run once for each seed.

    Args:
        recipe: whose.
        source: laid over the proof's, for data that differs in a known way, such as captions without the fault that others learn to bear.
        start: what it begins from, as in params.yaml; `runs/clip/pretrain` is the model of clip under the same seed.
        overrides: section of that recipe -> numbers in place of its own, as in params.yaml.
    """

    recipe: str
    source: dict[str, Any] = field(default_factory=dict)
    start: str = UNTRAINED
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """That one number of an arm is so far from another arm's, or from chance.

    Args:
        metric: its name in runs/<recipe>/evaluate/metrics.json.
        arm: whose.
        against: another arm, `chance`, or nothing: the number itself is meant.
        towards: a third arm: what is meant is the share of the way from `against` to it, 1 where the arm is as good.
        by: how two are held against each other; of a seed with the same seed.
        at_least: the margin, or
        at_most: the margin the other way.
    """

    metric: str
    arm: str
    against: str | None = None
    towards: str | None = None
    by: Literal["difference", "ratio"] = "difference"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def margin(self) -> float:
        """Return the number that must be reached, or kept below."""
        return self.at_least if self.at_least is not None else self.at_most  # type: ignore[return-value]  # one of them is there

    def __str__(self) -> str:
        beside = {None: "", CHANCE: " against chance"}.get(self.against, f" against {self.against}")
        if self.towards is not None:
            beside, how = f", of the way from {self.against} to {self.towards},", ""
        else:
            how = "" if self.against is None else f", {self.by}"
        bound = "at least" if self.at_least is not None else "at most"
        return f"{self.metric} of {self.arm}{beside}{how} {bound} {self.margin:g}"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How a recipe's claim is put to the test; without arms there is none.

    Args:
        source: in place of params.yaml's; {} keeps the usual data, `{name: emoji, languages: [en]}`.
        scale: of every arm.
        seeds: each arm is run once for each, three at least for a verdict.
        arms: name -> way to train; the same scale, data and seeds for all, unless an arm says what differs of the data.
        claims: all must hold.

    Raises ConfigError for claims about arms that are not there, and for margins that say nothing.
    """

    source: dict[str, Any] = field(default_factory=dict)
    scale: str = "laptop"
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: dict[str, Arm] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.arms) != bool(self.claims):
            raise ConfigError(
                "arms and claims go together: arms are what is run, claims what must come out. Give both, or neither."
            )
        if self.arms and (len(set(self.seeds)) != len(self.seeds) or len(self.seeds) < 2):
            raise ConfigError(
                f"seeds are {list(self.seeds)}, but without two that differ nobody knows how far chance reaches. Give three."
            )
        for claim in self.claims:
            _check(claim, self.arms)


def _check(claim: Claim, arms: Mapping[str, Arm]) -> None:
    for name in (claim.arm, *(one for one in (claim.against, claim.towards) if one not in (None, CHANCE))):
        if name not in arms:
            raise ConfigError(
                f"claims name the arm {name!r}, but there are {', '.join(arms)}. Name one of them, or {CHANCE} to be held against."
            )
    if claim.towards is not None and claim.against is None:
        raise ConfigError(
            f"claims go towards {claim.towards} from nowhere. Name the arm where the way begins as against, such as the one that has no remedy."
        )
    if claim.towards is not None and claim.by != "difference":
        raise ConfigError(
            f"claims go towards {claim.towards} by a ratio, but a share of a way is one already. Leave by out."
        )
    if (claim.at_least is None) == (claim.at_most is None):
        raise ConfigError(f"claims say of {claim.metric} both at_least and at_most, or neither. Give one margin.")
