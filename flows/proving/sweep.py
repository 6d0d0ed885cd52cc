"""`diptych sweep clip filip siglip --seeds 3`: recipes side by side, and one leaderboard of them: a page, and an experiment in MLflow.

The comparison is that of `diptych compare`: the same data, seeds and computing for all, each in a checkout of its own.
"""

import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.data.processes import cores
from components.evaluation.report.bars import bar
from components.evaluation.report.layout import Section, document, said, table
from components.evaluation.verdict import interval
from components.registry.store import open_store, store_errors
from components.stages.place import private
from flows.machine import has_gpu
from flows.proving.compare import METRICS, compare

EXPERIMENT, LEADERBOARD = "diptych-sweeps", "leaderboard.html"
MEANS = (
    "Each recipe computes for as long as the first. The interval is of the seeds, which differ in splits of batches, weights and draws; how far a recipe is "
    "from the first is taken seed by seed, and says something where it does not hold 0. At this size, on this data."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A row of the leaderboard.

    Args:
        rank: from 1; by the mean of the metric.
        name: as it was given to the comparison.
        mean, low, high: of the metric over seeds.
        beside: its mean difference to the first recipe, and both ends of its interval; None for the first itself.
        cpu_s: mean of the seeds.
        cost: of all seeds; None where nobody says what an hour costs.
    """

    rank: int
    name: str
    mean: float
    low: float
    high: float
    beside: tuple[float, float, float] | None
    cpu_s: float
    cost: float | None


def sweep(
    root: Path, names: Sequence[str], *, seeds: int = 3, scale: str = "laptop", source: Mapping[str, Any] | None = None,
    steps: int | None = None, price_per_hour: float | None = None, keep: bool = False, at_once: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Compare, write the page and what it shows to MLflow, and return the table with `page` and `run`. Errors as of `compare`.

    Args:
        seeds: how many, from 0 on; two at least, for an interval.
        price_per_hour: of a core, in any currency; None where nobody says.
        at_once: how many are trained side by side; None for one a core, or one where there is a GPU.
    """
    found = compare(
        root, names, scale=scale, seeds=range(seeds), source=source, steps=steps, keep=keep, at_once=jobs(at_once)
    )
    found["price_per_hour"] = price_per_hour
    page = _folder(root, found) / LEADERBOARD
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(found), encoding="utf-8")
    page.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return {**found, "page": str(page), "run": record(root, found, page)}


def jobs(at_once: int | None) -> int:
    """Return how many are trained side by side, where nobody says: one a core, or one where there is a GPU."""
    if at_once is not None:
        return at_once
    return 1 if has_gpu() else cores()


def places(found: Mapping[str, Any], metric: str = METRICS[0]) -> list[Place]:
    """Return the rows by a metric, the best first; those that do not have it are left out."""
    rows = {name: its for name, its in found["rows"].items() if metric in its["metrics"]}
    first = next(iter(found["rows"]))
    price = found.get("price_per_hour")
    ranked = best_first(rows, metric)
    made = []
    for rank, name in enumerate(ranked, 1):
        one, cpu_s = rows[name]["metrics"][metric], rows[name]["cpu_s"]
        beside = None
        if name != first and first in rows:
            pairs = zip(one["values"], rows[first]["metrics"][metric]["values"], strict=True)
            beside = interval([ours - theirs for ours, theirs in pairs])
        made.append(
            Place(
                rank=rank,
                name=name,
                mean=one["mean"],
                low=one["low"],
                high=one["high"],
                beside=beside,
                cpu_s=sum(cpu_s) / len(cpu_s),
                cost=None if price is None else price * sum(cpu_s) / 3600,
            )
        )
    return made


def ranked(place: Place, found: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Return a row of the leaderboard as a table's: numbers by name, with chance and baseline."""
    one = found["rows"][place.name]["metrics"][metric]
    beside = {} if place.beside is None else dict(zip(("beside the first", "from", "to"), place.beside, strict=True))
    cost = {} if place.cost is None else {"cost": place.cost}
    return {
        "": place.rank, "recipe": place.name, "mean": place.mean, "low": place.low, "high": place.high, "chance": one["chance"],
        "baseline": one["baseline"], **beside, "CPU-s": place.cpu_s, **cost,
    }  # fmt: skip


def best_first(rows: Mapping[str, Any], metric: str) -> list[str]:
    """Return the rows that have a metric, the best first: of some the largest, of a gap the smallest."""
    its = {name: one["metrics"][metric] for name, one in rows.items() if metric in one["metrics"]}
    return sorted(its, key=lambda name: its[name]["mean"] * (1 if its[name].get("better") == "down" else -1))


def render(found: Mapping[str, Any]) -> str:
    """Return the page: a table for each metric; the same bytes for the same comparison."""
    source = found["source"].get("name", "its own data")
    about = f"<p>{len(found['rows'])} recipes at {html.escape(found['scale'])} on {html.escape(str(source))}, {len(found['seeds'])} seeds.</p>"
    about += said(f"{MEANS} Code {found['commit'][:12]}, {found['machine']}.")
    measured = [metric for metric in METRICS if any(metric in its["metrics"] for its in found["rows"].values())]
    sections = [
        Section(anchor=metric.replace(".", "-"), title=metric, body=board(found, metric)) for metric in measured
    ]
    return document("Leaderboard", about, sections)


def board(found: Mapping[str, Any], metric: str) -> str:
    """Return one table: the rows of a comparison by a metric, the best first."""
    head = ["", "recipe", "mean", f"{found['confidence']:.0%} interval", "", "beside the first", "CPU-s"]
    costs = found.get("price_per_hour") is not None
    rows = []
    for place in places(found, metric):
        one = found["rows"][place.name]["metrics"][metric]
        share = {
            "value": place.mean,
            "unit": "fraction",
            "low": place.low,
            "high": place.high,
            "chance": one["chance"],
            "baseline": one["baseline"],
        }
        beside = "" if place.beside is None else "{:+.3f} ({:+.3f} to {:+.3f})".format(*place.beside)
        cells = [
            str(place.rank), f"<th scope=row>{html.escape(place.name)}</th>", f"<td class=big>{place.mean:.3f}</td>",
            f"{place.low:.3f} to {place.high:.3f}", bar(share) if 0 <= place.mean <= 1 else "", beside, f"{place.cpu_s:,.0f}",
        ]  # fmt: skip
        rows.append([*cells, *([f"{place.cost:.2f}"] if costs else [])])
    return table(metric, [*head, *(["cost"] if costs else [])], rows, numbers=(0, 2, 6, 7))


def record(root: Path, found: Mapping[str, Any], page: Path, column: str = "") -> str:
    """Write the leaderboard, of one column of a plan where there is one, to MLflow: a run with the page, and below it a run a recipe; return its id.

    TransientError where it does not answer.
    """
    store = open_store(root)
    client = store.client
    with store_errors(store.uri):
        known = client.get_experiment_by_name(EXPERIMENT)
        where = (root.resolve() / "mlartifacts").as_uri() if store.uri.startswith("sqlite") else None
        experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT, artifact_location=where)
        whole = client.create_run(experiment, run_name=" ".join(found["rows"])[:250])
        for name, value in (
            ("scale", found["scale"]),
            ("seeds", len(found["seeds"])),
            ("commit", found["commit"]),
            ("machine", found["machine"]),
            ("source", json.dumps(found["source"])[:5000]),
            *((("column", column),) if column else ()),
        ):
            client.log_param(whole.info.run_id, name, value)
        for name, its in found["rows"].items():
            one = client.create_run(
                experiment, run_name=name, tags={"mlflow.parentRunId": whole.info.run_id, "recipe": name}
            )
            for metric, measured in its["metrics"].items():
                for part in ("mean", "low", "high"):
                    client.log_metric(one.info.run_id, f"{metric}.{part}", measured[part])
            client.log_metric(one.info.run_id, "cpu_s", sum(its["cpu_s"]) / len(its["cpu_s"]))
            client.set_terminated(one.info.run_id)
        client.log_artifact(whole.info.run_id, str(page))
        client.log_artifact(whole.info.run_id, str(page.with_suffix(".json")))
        client.set_terminated(whole.info.run_id)
    return str(whole.info.run_id)


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the leaderboard for a person, by the first metric, and where the whole of it is."""
    yield METRICS[0]
    for place in places(found):
        beside = "" if place.beside is None else ", beside the first {:+.3f} ({:+.3f} to {:+.3f})".format(*place.beside)
        cost = "" if place.cost is None else f", {place.cost:.2f}"
        yield f"{place.rank}. {place.name}: {place.mean:.3f} ({place.low:.3f} to {place.high:.3f}){beside}; {place.cpu_s:,.0f} CPU-s{cost}"
    yield f"The page: {found['page']}; in MLflow: experiment {EXPERIMENT}, run {found['run']}"


def _folder(root: Path, found: Mapping[str, Any]) -> Path:
    """Return where the page of this comparison is, which another of the same recipes, scale, data and seeds replaces."""
    what = json.dumps([list(found["rows"]), found["scale"], found["source"], found["seeds"]])
    return private(root, "sweeps") / hashlib.sha256(what.encode()).hexdigest()[:12]
