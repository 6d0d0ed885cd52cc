"""`diptych compare clip siglip …`: recipes side by side on the same data, seed by seed, each for as much computing as the first.

How many CPU-seconds a step takes is measured in short runs of all under the first seed; the first recipe is trained for the scale's
steps, every other for as many as take as long. `clip+clip_refine:40` is clip for fewer steps, and from its model clip_refine for 40.
Runs are those of a proof: what was run before is cached.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.evaluation.verdict import CONFIDENCE, interval
from components.recipes.comparison import USUAL
from components.recipes.names import RECIPES, exists
from components.recipes.proof import Arm, Given
from components.recipes.yaml_lines import overlay, read_yaml
from flows.machine import machine
from flows.proving.arms import Ran, Study
from flows.proving.leased import commit_of
from flows.proving.prove import read_metrics

METRICS = (
    *(f"retrieval.{split}.{way}.recall_at_1" for split in ("pair", "designer", "concept") for way in ("image_to_text", "text_to_image")),
    "zero_shot.pair.category.top1", "features.val.modality_gap",
)  # fmt: skip
TRAINS = ("pretrain", "finetune")
SHORT, FEWEST = 10, 4  # a rate is measured over a tenth of the scale's steps, and four at least
_NAMED = re.compile(r"(?:(?P<before>\w+)\+)?(?P<recipe>\w+)(?::(?P<steps>[1-9]\d*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A recipe that takes part, and the one that is trained before it.

    Args:
        name: as a person gave it.
        recipe: whose metrics are compared.
        before: that begins; None where `recipe` does.
        steps: of `recipe` after `before`.
    """

    name: str
    recipe: str
    before: str | None = None
    steps: int = 0

    @classmethod
    def of(cls, said: str) -> "Row":
        """Return what `clip` or `clip+clip_refine:40` names; ConfigError for what is neither."""
        found = _NAMED.fullmatch(said)
        if found is None or bool(found["before"]) != bool(found["steps"]):
            raise ConfigError(
                f"{said!r} names nothing to compare. Give a recipe, such as clip, or one after another with the steps of the later: "
                "clip+clip_refine:40."
            )
        return cls(name=said, recipe=found["recipe"], before=found["before"], steps=int(found["steps"] or 0))

    @property
    def phases(self) -> tuple[str, ...]:
        """The names of its arms, in order."""
        return (f"{self.before}.{self.recipe}", self.recipe) if self.before else (self.recipe,)

    def arms(self, steps: Mapping[str, int], plain: Arm) -> dict[str, Arm]:
        """Return its arms, by name, each for so many steps; they begin, and override, as `plain` does."""
        recipes = (self.before, self.recipe) if self.before else (self.recipe,)
        starts: tuple[str | Given, ...] = (plain.start, Given(arm=self.phases[0]))
        return {
            phase: replace(
                plain,
                recipe=recipe,
                start=start,
                overrides=overlay(plain.overrides, {"training": {"steps": steps[phase]}}),
            )
            for phase, recipe, start in zip(self.phases, recipes, starts, strict=False)
        }


def compare(
    root: Path, names: Sequence[str], *, scale: str = "laptop", seeds: Sequence[int] = (0, 1, 2),
    source: Mapping[str, Any] | None = None, steps: int | None = None, keep: bool = False, at_once: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Run what is missing and return the table: a row for each name with its steps, CPU-seconds and metrics.

    Args:
        names: recipes, the first of which says how much computing all have.
        source: as in params.yaml; the English emoji unless given.
        steps: of the first, in place of the scale's.
        keep: whether the checkouts stay, to be looked at.
        at_once: how many are trained side by side, each by its part of the cores.

    Raises ConfigError for a name that is no recipe, one given twice, steps below 1, more at once than cores, and code that is not committed.
    """
    rows = rows_of(root, names)
    whole = int(read_yaml(root / RECIPES / "scales" / f"{scale}.yaml").values["steps"]) if steps is None else steps
    if whole < 1:
        raise ConfigError(f"--steps {whole} trains nothing. Give 1 or more, or leave it out for the scale's.")
    setting = Setting(
        root=root, name="compare", scale=scale, seeds=tuple(seeds), source=source or {}, commit=commit_of(root)
    )
    found = side_by_side(setting, rows, whole, keep=keep, at_once=at_once)
    return {
        "scale": scale, "source": dict(source or USUAL), "seeds": list(seeds), "confidence": CONFIDENCE, **found,
        "commit": setting.commit, "machine": machine(),
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all rows have in common.

    Args:
        root: the workspace.
        name: of the folder of checkouts.
        commit: whose code it is.
        plain: what every arm begins from and overrides.
    """

    root: Path
    name: str
    scale: str
    seeds: tuple[int, ...]
    source: Mapping[str, Any]
    commit: str
    plain: Arm = field(default_factory=lambda: Arm(recipe=""))

    def study(self, arms: Mapping[str, Arm], part: str = "", **more: Any) -> Study:
        """Return what runs these arms; a part of all has a folder of its own."""
        given = {
            "name": f"{self.name}{part}",
            "commit": self.commit,
            "scale": self.scale,
            "source": self.source,
            "seeds": self.seeds,
        }
        return Study(root=self.root, arms=arms, **{**given, **more})


def side_by_side(
    setting: Setting,
    rows: Sequence[Row],
    whole: int,
    *,
    keep: bool,
    at_once: int,
    rates: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Run what is missing; return `cpu_s_a_step` of each arm, and `rows`.

    Args:
        whole: steps of the first row.
        rates: CPU-seconds a step, in place of those that short runs would measure.
    """
    short, begun = None, frozenset(row.phases[0] for row in rows if row.before)
    if rates is None:
        few = {phase: max(FEWEST, whole // SHORT) for row in rows for phase in row.phases}
        short = setting.study(
            arms_of(rows, few, setting.plain), "-short", seeds=setting.seeds[:1], until=TRAINS[-1], begun_from=begun
        )
        rates = {phase: spent(runs[0])["cpu_s"] / few[phase] for phase, runs in short.run(at_once).items()}
    full = setting.study(arms_of(rows, equal_steps(rows, rates, whole), setting.plain), begun_from=begun)
    ran = full.run(at_once)
    table = {row.name: of_row(row, ran) for row in rows}
    first = _mean(table[rows[0].name]["cpu_s"])
    for its in table.values():
        its["beside_first"] = round(_mean(its["cpu_s"]) / first, 3)
    for study in () if keep else filter(None, (short, full)):
        study.clear()  # not before all is there, or one that was killed would measure other rates
    return {"cpu_s_a_step": {phase: round(rate, 4) for phase, rate in rates.items()}, "rows": table}


def rows_of(root: Path, names: Sequence[str]) -> list[Row]:
    """Return what is compared; ConfigError for a recipe that is not there, and for an arm that two names would share."""
    rows = [Row.of(name) for name in names]
    phases = [phase for row in rows for phase in row.phases]
    if twice := [phase for phase in phases if phases.count(phase) > 1]:
        raise ConfigError(f"{twice[0]} takes part twice. Name each recipe once.")
    for recipe in [one for row in rows for one in (row.before, row.recipe) if one]:
        if not (root / RECIPES / f"{recipe}.yaml").exists():
            exists(root, RECIPES, recipe, read_yaml(root / "params.yaml"), "recipes")
    return rows


def arms_of(rows: Sequence[Row], steps: Mapping[str, int], plain: Arm) -> dict[str, Arm]:
    """Return all arms of the rows, in their order."""
    return {phase: arm for row in rows for phase, arm in row.arms(steps, plain).items()}


def equal_steps(rows: Sequence[Row], rates: Mapping[str, float], whole: int) -> dict[str, int]:
    """Return the steps of each arm with which every row computes for as long as the first with `whole` steps.

    Args:
        rates: CPU-seconds a step of each arm.

    Raises ConfigError for later steps that take all of it.
    """
    first, steps = rows[0], dict[str, int]()
    budget = whole * rates[first.phases[0]] + first.steps * (rates[first.recipe] if first.before else 0.0)
    for row in rows:
        left = budget
        if row.before:
            steps[row.recipe] = row.steps
            left -= row.steps * rates[row.recipe]
        steps[row.phases[0]] = round(left / rates[row.phases[0]])
        if steps[row.phases[0]] < 1:
            raise ConfigError(
                f"{row.name} leaves {row.before or row.recipe} no step: {row.steps} of {row.recipe} compute for longer than all of "
                f"{first.name}. Give fewer."
            )
    return steps


def spent(run: Path) -> dict[str, float]:
    """Return steps of the training, and CPU-seconds of it and of a tuning after it; of what went on from a checkpoint, as if all steps took what its last ones did."""
    steps = cpu_s = 0.0
    for stage in TRAINS:
        path = run / stage / "metrics.json"
        said = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if timing := said.get("timing"):
            steps = steps or said["steps"]
            cpu_s += timing["cpu_s"] * said["steps"] / max(1, said["steps"] - timing["resumed_at"])
    return {"steps": steps, "cpu_s": cpu_s}


def of_row(row: Row, ran: Ran) -> dict[str, Any]:
    """Return steps of each phase, CPU-seconds of each seed, and the metrics that were measured."""
    trained = [[spent(run) for run in ran[phase]] for phase in row.phases]
    found = [read_metrics(run) for run in ran[row.recipe]]
    return {
        "steps": [int(phase[0]["steps"]) for phase in trained],
        "cpu_s": [round(sum(one["cpu_s"] for one in seed), 1) for seed in zip(*trained, strict=True)],
        "metrics": {name: _measured([one[name] for one in found]) for name in METRICS if all(name in one for one in found)},
    }  # fmt: skip


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table for a person: the rows by the first metric, with what they took."""
    for name, its in said["rows"].items():
        steps = " + ".join(str(one) for one in its["steps"])
        yield f"{name}: {steps} steps, {_mean(its['cpu_s']):.0f} CPU-s, {its['beside_first']:.2f} times the first"
        for metric, one in its["metrics"].items():
            yield f"    {metric} {one['mean']:.4g} ({one['low']:.4g} to {one['high']:.4g})"


def _measured(seeds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    values = [one["value"] for one in seeds]
    mean, low, high = interval(values)
    beside = {name: _mean([one[name] for one in seeds]) for name in ("chance", "baseline")}
    return {
        "values": values,
        "mean": mean,
        "low": low,
        "high": high,
        **beside,
        "queries": min(int(one["n"]) for one in seeds),
        "better": seeds[0]["better"],
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
