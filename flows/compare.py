"""`diptych compare clip siglip …`: recipes side by side on the same data, seed by seed, each for as much computing as the first.

How many CPU-seconds a step takes is measured in short runs of all under the first seed; the first recipe is trained for the scale's
steps, every other for as many as take as long. `clip+clip_refine:40` is clip for fewer steps, and from its model clip_refine for 40.
Runs are those of a proof: what was run before is cached.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.evaluation.verdict import CONFIDENCE, interval
from components.recipes.names import RECIPES, exists
from components.recipes.params import UNTRAINED
from components.recipes.proof import Arm, Given
from components.recipes.yaml_lines import read_yaml
from flows.arms import Ran, Study
from flows.leased import commit_of
from flows.machine import machine
from flows.prove import read_metrics

METRICS = (
    *(f"retrieval.{split}.{way}.recall_at_1" for split in ("pair", "designer", "concept") for way in ("image_to_text", "text_to_image")),
    "zero_shot.pair.category.top1", "features.val.modality_gap",
)  # fmt: skip
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

    def arms(self, steps: Mapping[str, int]) -> dict[str, Arm]:
        """Return its arms, by name, each for so many steps."""
        recipes = (self.before, self.recipe) if self.before else (self.recipe,)
        starts: tuple[str | Given, ...] = (UNTRAINED, Given(arm=self.phases[0]))
        return {
            phase: Arm(recipe=recipe, start=start, overrides={"training": {"steps": steps[phase]}})
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
    few = {phase: max(FEWEST, whole // SHORT) for row in rows for phase in row.phases}
    study = Study(
        root=root, name="compare-short", commit=commit_of(root), arms=arms_of(rows, few), seeds=tuple(seeds[:1]), scale=scale,
        source=source or {}, until="pretrain",
    )  # fmt: skip
    rates = {phase: spent(runs[0])["cpu_s"] / few[phase] for phase, runs in study.run(at_once).items()}
    equal = equal_steps(rows, rates, whole)
    full = replace(
        study,
        name="compare",
        arms=arms_of(rows, equal),
        seeds=tuple(seeds),
        until="evaluate",
        begun_from=frozenset(row.phases[0] for row in rows if row.before),
    )
    ran = full.run(at_once)
    table = {row.name: of_row(row, ran) for row in rows}
    first = _mean(table[rows[0].name]["cpu_s"])
    for its in table.values():
        its["beside_first"] = round(_mean(its["cpu_s"]) / first, 3)
    said = {
        "scale": scale, "source": dict(source or {"name": "emoji", "languages": ["en"]}), "seeds": list(seeds), "confidence": CONFIDENCE,
        "cpu_s_a_step": {phase: round(rate, 4) for phase, rate in rates.items()}, "rows": table, "commit": full.commit, "machine": machine(),
    }  # fmt: skip
    if not keep:
        study.clear()
        full.clear()
    return said


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


def arms_of(rows: Sequence[Row], steps: Mapping[str, int]) -> dict[str, Arm]:
    """Return all arms of the rows, in their order."""
    return {phase: arm for row in rows for phase, arm in row.arms(steps).items()}


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
    """Return steps and CPU-seconds of a training; of one that went on from a checkpoint, as if all steps took what its last ones did."""
    said = json.loads((run / "pretrain/metrics.json").read_text(encoding="utf-8"))
    timing, steps = said["timing"], said["steps"]
    return {"steps": steps, "cpu_s": timing["cpu_s"] * steps / max(1, steps - timing["resumed_at"])}


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
    return {"values": values, "mean": mean, "low": low, "high": high, **beside}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
