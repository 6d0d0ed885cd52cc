"""`diptych grow growclip WHERE WHERE …`: a model on data that arrives bit by bit, which gets a block where that helps most.

At each arrival it trains on all that has come. From the second on it is tried, for a few steps from the model before, with a block more in
each chain and with none; the best gain in held-out R@1 for each parameter more is kept, if there is one. At the end a model of the last sizes is
trained anew on all data, for as many steps as the whole stream took. Runs are those of a proof: what was run before is cached.

Source: Deng et al. 2023, arXiv:2308.11331 (seed 15), growth by a search at each step. Differs: one block at a time, and what is searched is
where, not how many.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.recipes.names import RECIPES, exists
from components.recipes.params import UNTRAINED
from components.recipes.proof import Arm, Given
from components.recipes.recipe import Recipe, load_recipe, load_scale
from components.recipes.yaml_lines import read_yaml
from flows.audience import AUDIENCE
from flows.machine import machine
from flows.proving.arms import Study
from flows.proving.compare import METRICS, spent
from flows.proving.leased import commit_of
from flows.proving.prove import read_metrics

STAY, PROBE = "stay", 0.1  # a probe takes a tenth of an arrival's steps
KEEP = "components.curation.ops.keep.Keep"
_WATCHED = ("val.image_to_text.recall_at_1", "val.text_to_image.recall_at_1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many blocks each chain of a model has: of the image tower, of the text tower, and shared."""

    image: int
    text: int
    shared: int

    @classmethod
    def of(cls, recipe: Recipe) -> "Sizes":
        """Return those of a recipe at its scale; ConfigError for a model that does not say them."""
        given = recipe.model["init_args"]
        try:
            return cls(
                image=given["image"]["init_args"]["net_args"]["depth"],
                text=given["text"]["init_args"]["depth"],
                shared=given["shared"],
            )
        except (KeyError, TypeError) as err:
            raise ConfigError(
                f"{recipe.name} cannot grow: its model does not say how deep it is ({err} is missing). Take growclip at a scale whose image "
                "tower says net_args.depth, or give the recipe's model that and `shared`."
            ) from err

    def laid(self) -> dict[str, Any]:
        """Return them as overrides of a model."""
        image, text = {"init_args": {"net_args": {"depth": self.image}}}, {"init_args": {"depth": self.text}}
        return {"init_args": {"shared": self.shared, "image": image, "text": text}}

    def candidates(self) -> dict[str, "Sizes"]:
        """Return what may come next: nothing more, or a block more in one chain."""
        more = {name: replace(self, **{name: number + 1}) for name, number in asdict(self).items()}
        return {STAY: self, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a candidate came to.

    Args:
        score: mean of R@1 both ways on `val`, after its few steps.
        parameters: of its model.
        cpu_s: what its steps computed.
    """

    score: float
    parameters: int
    cpu_s: float

    @classmethod
    def of(cls, run: Path) -> "Probe":
        """Return that of runs/<recipe>."""
        with (run / "pretrain/curves.csv").open(encoding="utf-8", newline="") as lines:
            watched = [row for row in csv.DictReader(lines) if all(row.get(name) for name in _WATCHED)]
        parameters = json.loads((run / "pretrain/metrics.json").read_text(encoding="utf-8"))["parameters"]
        score = sum(float(watched[-1][name]) for name in _WATCHED) / len(_WATCHED)
        return cls(score=score, parameters=parameters, cpu_s=spent(run)["cpu_s"])


def chosen(probes: Mapping[str, Probe]) -> str:
    """Return the candidate that gained most for each parameter that it has more; STAY where none gained."""
    stay = probes[STAY]
    gains = {
        name: (one.score - stay.score) / (one.parameters - stay.parameters)
        for name, one in probes.items()
        if name != STAY
    }
    best = max(gains, key=lambda name: gains[name])
    return best if gains[best] > 0 else STAY


def grow(
    root: Path, name: str, arrivals: Sequence[str], *, scale: str = "laptop", steps: int | None = None, seed: int = 0,
    source: Mapping[str, Any] | None = None, keep: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Run what is missing, and return what became of the model at each arrival, and what one trained anew takes.

    Args:
        name: a recipe whose model has `shared` blocks.
        arrivals: at each, which samples there are by then, as a condition of curation's step Keep.
        steps: at each arrival; the scale's unless given.
        source: as in params.yaml; the English emoji unless given.
        keep: whether the checkouts stay, to be looked at.

    Raises ConfigError for fewer than two arrivals, too few steps to probe with, a recipe that cannot grow, and code that is not committed.
    """
    if len(arrivals) < 2:
        raise ConfigError(
            "a stream needs two arrivals at least. Give two conditions, such as 'source == \"noto\"' and 'source != \"\"'."
        )
    whole = load_scale(root, scale).steps if steps is None else steps
    if (few := round(whole * PROBE)) < 1:
        raise ConfigError(f"--steps {whole} leaves no step to probe with, a tenth of them. Give 10 or more.")
    if not (root / RECIPES / f"{name}.yaml").exists():
        exists(root, RECIPES, name, read_yaml(root / "params.yaml"), "recipes")
    recipe = load_recipe(root, name, scale)
    sizes, arms, tried, tell = Sizes.of(recipe), dict[str, Arm](), dict[str, Arm](), AUDIENCE.get().told
    study = Study(
        root=root, name="grow", commit=commit_of(root), arms={}, seeds=(seed,), scale=scale, source=source or {}
    )  # fmt: skip
    rows, before = list[dict[str, Any]](), ""
    for number, where in enumerate(arrivals):
        found = dict[str, Probe]()
        start = Given(arm=before) if before else UNTRAINED
        if before:
            probed = {
                f"{number}.{one}": arm_of(recipe, where, its, few, start) for one, its in sizes.candidates().items()
            }
            tried |= probed
            ran = replace(study, arms={**arms, **probed}, begun_from=frozenset(probed)).run()
            found = {one: Probe.of(ran[f"{number}.{one}"][0]) for one in sizes.candidates()}
            sizes = sizes.candidates()[chosen(found)]
            tell(
                f"arrival {number + 1}: {chosen(found)}, so {sizes.image} blocks for pictures, {sizes.text} for texts, {sizes.shared} shared"
            )
        before = f"{number}"
        arms[before] = arm_of(recipe, where, sizes, whole, start)
        run = replace(study, arms=arms).run()[before][0]
        rows.append({
            "where": where, "sizes": asdict(sizes), "probes": {one: asdict(its) for one, its in found.items()},
            "grew": chosen(found) if found else "", **_measured(run),
        })  # fmt: skip
    arms["anew"] = arm_of(recipe, arrivals[-1], sizes, whole * len(arrivals), UNTRAINED)
    anew = _measured(replace(study, arms=arms).run()["anew"][0])
    if not keep:
        replace(study, arms={**arms, **tried}).clear()
    last = rows[-1]["cpu_s"] + sum(one["cpu_s"] for one in rows[-1]["probes"].values())
    return {
        "recipe": name, "scale": scale, "seed": seed, "source": dict(source or {"name": "emoji", "languages": ["en"]}), "probe_steps": few,
        "arrivals": rows, "anew": anew, "last_beside_anew": round(last / anew["cpu_s"], 3), "commit": study.commit, "machine": machine(),
    }  # fmt: skip


def arm_of(recipe: Recipe, where: str, sizes: Sizes, steps: int, start: str | Given) -> Arm:
    """Return a training of so many steps on the samples of which the condition holds."""
    keep = {"class_path": KEEP, "init_args": {"where": where, "reason": "not there yet"}}
    return Arm(
        recipe=recipe.name, start=start,
        overrides={
            "model": sizes.laid(), "training": {"steps": steps, "watch_every": steps},
            "curation": {"ops": [*recipe.curation.ops, keep]},
        },
    )  # fmt: skip


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield the stream for a person, an arrival a line, and the cost of the last beside a model trained anew."""
    first = METRICS[0]
    for number, row in enumerate(said["arrivals"], 1):
        grew = f"{row['grew']}, " if row["grew"] else ""
        sizes = ", ".join(f"{name} {count}" for name, count in row["sizes"].items())
        yield f"arrival {number} ({row['where']}): {grew}blocks {sizes}; R@1 on pair {row['metrics'][first]:.1%}, {row['cpu_s']:.0f} CPU-s"
    anew = said["anew"]
    yield f"anew, {anew['steps']} steps: R@1 on pair {anew['metrics'][first]:.1%}, {anew['cpu_s']:.0f} CPU-s"
    yield f"the last arrival, probes and all, took {said['last_beside_anew']:.2f} of that"


def _measured(run: Path) -> dict[str, Any]:
    """Return steps, CPU-seconds and parameters of a training, and what was measured of its model."""
    metrics = read_metrics(run)
    pretrained = json.loads((run / "pretrain/metrics.json").read_text(encoding="utf-8"))
    return {
        "steps": pretrained["steps"], "cpu_s": round(spent(run)["cpu_s"], 1), "parameters": pretrained["parameters"],
        "pictures": pretrained["pictures"], "metrics": {name: metrics[name]["value"] for name in METRICS if name in metrics},
    }  # fmt: skip
