"""What a recipe claims, as numbers that are written down before anything is run: arms, seeds, and how far apart they must be."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from components.contracts.errors import ConfigError
from components.recipes.micro_clip import MicroClip
from components.recipes.params import UNTRAINED

BESIDE = ("chance", "baseline")  # what stands beside a number, and a claim may be held against


@dataclass(frozen=True, kw_only=True)
class Given:
    """A model that is made before an arm is run; one of the two.

    Args:
        micro_clip: the small CLIP on scenes, the same for all seeds of a proof.
        arm: name of an arm before, whose model of the same seed it is.
    """

    micro_clip: MicroClip | None = None
    arm: str = ""

    def __post_init__(self) -> None:
        if (self.micro_clip is None) == (not self.arm):
            raise ConfigError(
                "start must name one model: {micro_clip: {}} with its numbers, or {arm: NAME} of an arm before. Give one of them."
            )


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train, run once for each seed.

    Args:
        recipe: whose.
        source: laid over the proof's, for data that differs in a known way, such as captions without the fault that others learn to bear.
        start: what it begins from, as in params.yaml, or a model that is made before: `micro_clip`, or as of Given.
            `runs/clip/pretrain` is the model of clip under the same seed and with the same overrides.
        model: whose architecture is trained, as in params.yaml.
        overrides: section of that recipe -> numbers in place of its own, as in params.yaml.
    """

    recipe: str
    source: dict[str, Any] = field(default_factory=dict)
    start: str | Given = UNTRAINED
    model: Literal["recipe", "start"] = "recipe"
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> Given | None:
        """Return the model that is made before; None for a start as params.yaml has it."""
        if self.start == "micro_clip":
            return Given(micro_clip=MicroClip())
        return self.start if isinstance(self.start, Given) else None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """That one number of an arm is so far from another arm's, or from what stands beside it.

    Args:
        metric: its name in runs/<recipe>/evaluate/metrics.json.
        arm: whose.
        against: another arm, `chance` or `baseline` as metrics.json has them (of features that is the model with drawn weights, not its
            start), or nothing: the number itself is meant.
        beside: name of that arm's number, where it goes by another; the same unless given.
        since: an arm from whose number both are counted, so that a ratio is one of changes; nothing counts from 0.
        by: how the two are held against each other; of a seed with the same seed.
        at_least: the margin, or
        at_most: the margin the other way.
    """

    metric: str
    arm: str
    against: str | None = None
    beside: str | None = None
    since: str | None = None
    by: Literal["difference", "ratio"] = "difference"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def margin(self) -> float:
        """Return the number that must be reached, or kept below."""
        return self.at_least if self.at_least is not None else self.at_most  # type: ignore[return-value]  # one of them is there

    def __str__(self) -> str:
        beside = "" if self.against is None else f" against {f'{self.beside} of ' if self.beside else ''}{self.against}"
        since = "" if self.since is None else f", since {self.since}"
        how = "" if self.against is None else f", {self.by}"
        bound = "at least" if self.at_least is not None else "at most"
        return f"{self.metric} of {self.arm}{beside}{since}{how} {bound} {self.margin:g}"


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
        check_order(self.arms)
        for claim in self.claims:
            check_claim(claim, self.arms)


def check_order(arms: Mapping[str, Arm]) -> None:
    """Raise ConfigError for an arm that begins from one that is not run before it."""
    before: list[str] = []
    for name, arm in arms.items():
        if arm.given and arm.given.arm and arm.given.arm not in before:
            raise ConfigError(
                f"the arm {name} begins from the arm {arm.given.arm!r}, but before it are {', '.join(before) or 'none'}. List that one first."
            )
        before.append(name)


def check_claim(claim: Claim, arms: Collection[str]) -> None:
    """Raise ConfigError for a claim about arms that are not there, and for a margin that says nothing."""
    for name in filter(None, (claim.arm, claim.since, claim.against if claim.against not in BESIDE else None)):
        if name not in arms:
            raise ConfigError(
                f"claims name the arm {name!r}, but there are {', '.join(arms)}. Name one of them, or {' or '.join(BESIDE)} to be held "
                "against."
            )
    if claim.since and claim.against in BESIDE:
        raise ConfigError(
            f"claims count {claim.metric} since {claim.since} and hold it against {claim.against}, which has no change. Name an arm."
        )
    if claim.beside and claim.against not in arms:
        raise ConfigError(
            f"claims hold {claim.metric} against {claim.beside}, but of no arm. Name one as against, or leave beside out."
        )
    if (claim.at_least is None) == (claim.at_most is None):
        raise ConfigError(f"claims say of {claim.metric} both at_least and at_most, or neither. Give one margin.")
