"""When a model may take the place of the one that is served: the rules that a person chooses, and what they gave for a version.

A guard that is `critical` must be shown not to fall by more than its margin; one that is `supporting` must not be shown to; of one that is
`advisory` it is told. What is shown is shown at `alpha`: of 100 challengers that do not deserve it, so many get by.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from components.contracts.errors import ConfigError

Tier = Literal["critical", "supporting", "advisory"]
Outcome = Literal["promoted", "kept", "inconclusive", "needs_a_person"]
COMPATIBLE = "compatible"  # the rule that asks whether a version finds what it should on the champion's index
Held = Literal["holds", "fails", "uncertain", "missing", "told"]


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Guard:
    """What must not fall.

    Args:
        metric: its name, as metrics.json has it; its rows must be kept, so that the two can be compared query by query.
        margin: how much it may fall, in the metric's unit, above 0.
        tier: what follows where it falls by more.
    """

    metric: str
    margin: float
    tier: Tier = "supporting"

    def __post_init__(self) -> None:
        if not self.margin > 0:
            raise ConfigError(
                f"the guard {self.metric} has the margin {self.margin}, but to be shown not to fall at all takes endless queries. Give a "
                "number above 0, such as 0.02."
            )


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Bound:
    """What a number must be, whoever is champion.

    Args:
        metric: its name.
        at_least: the least; none unless given.
        at_most: the most, such as of `cost.image.flops`.
        at_most_times: the most, as a multiple of what the champion has.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    at_most_times: float | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None and self.at_most_times is None:
            raise ConfigError(
                f"the bound of {self.metric} bounds nothing. Give it at_least, at_most or at_most_times, or take it out."
            )


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Rules:
    """Section `promotion` of params.yaml.

    Args:
        primary: the metric that decides.
        margin: 0: the challenger must be shown to be better; above: must be shown not to be worse by more than that.
        guards: what must not fall.
        bounds: what must be reached, or not exceeded.
        licences: `stated`: a model that saw pictures without a licence is for a person to judge; `any`: it is not looked at.
        alpha: share of undeserving challengers that get by, 0 to 0.5.
        power: share of deserving ones that are to get by, where it is said how many queries that would take, 0.5 to 1.
        draws: of the bootstrap.
        old_index: by how much recall at 1 on the champion's index may fall where a model was trained to search that, above 0.
    """

    primary: str = "retrieval.pair.mean_recall"
    margin: float = 0.0
    guards: tuple[Guard, ...] = ()
    bounds: tuple[Bound, ...] = ()
    licences: Literal["any", "stated"] = "any"
    alpha: float = 0.05
    power: float = 0.8
    draws: int = 10_000
    old_index: float = 0.02

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise ConfigError(f"promotion.margin is {self.margin}. Give 0 for a win, or by how much it may lose.")
        if not 0 < self.old_index < 1:
            raise ConfigError(
                f"promotion.old_index is {self.old_index}, but to be shown not to fall at all takes endless queries. Give a share above 0, such as "
                "0.02."
            )
        if not 0 < self.alpha < 0.5 < self.power < 1:
            raise ConfigError(
                f"promotion.alpha is {self.alpha} and power {self.power}. Give alpha between 0 and 0.5, and power between 0.5 and 1; 0.05 "
                "and 0.8 are usual."
            )
        if self.draws * self.alpha < 10 * max(1, len(self.guards)):
            raise ConfigError(
                f"promotion.draws is {self.draws}: the {self.alpha:.1%} that decide, shared by {max(1, len(self.guards))} guards, are too few to "
                "count. Give 10,000, or 10 for each guard, divided by alpha."
            )
        named = [one.metric for one in self.guards]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ConfigError(
                f"promotion.guards names {', '.join(twice)} twice. Say once what becomes of it when it falls."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule gave.

    Args:
        rule: `primary`, a guard's tier, `bound`, or what else was looked at.
        metric: its name.
        held: what came of it; `told` where nothing follows from it.
        ours: what the challenger has.
        theirs: what the champion has on the same queries.
        difference: ours less theirs, or the other way where less is better, so that above 0 is good.
        low: end of the interval of the difference, which holds it in 1 - 2 alpha of all cases.
        high: its other end.
        margin: how much it may be below 0.
        queries: that both were asked.
        groups: of queries that belong together; what is drawn.
        more: queries that would be needed besides, where these were too few.
        says: the same in words.
    """

    rule: str
    metric: str
    held: Held
    says: str
    ours: float | None = None
    theirs: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    queries: int | None = None
    groups: int | None = None
    more: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the rules gave for a version.

    Args:
        outcome: what becomes of it.
        challenger: the version in question, such as `clip@3`.
        champion: the version that it was compared with; None where there was none.
        sentence: all of it in one sentence.
        findings: what each rule gave.
    """

    outcome: Outcome
    challenger: str
    champion: str | None
    sentence: str
    findings: tuple[Finding, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without those that are not known."""
        findings = [{key: value for key, value in asdict(one).items() if value is not None} for one in self.findings]
        return {**asdict(self), "findings": findings}
