"""What a run did and what it took: a row a stage, in seconds by the clock, of processors and of a GPU, and in money where somebody says the price."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from components.recipes.params import load_params
from components.stages.outcome import StageOutcome
from flows.estimating.parser import price_said
from flows.machine import has_gpu
from flows.workspace import Outcome, Workspace

TRAINED = ("pretrain", "finetune")
"""Stages whose metrics.json says how long the device computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stage of a run.

    Args:
        stage: as DVC calls it, such as pretrain@clip.
        did: `cached`, `ran` or `restored`.
        seconds: by the clock, with DVC's own.
        cpu_s: that processors worked; None where the stage did not run here.
        gpu_s: that a training had the GPU; None where there was none.
    """

    stage: str
    did: str
    seconds: float
    cpu_s: float | None = None
    gpu_s: float | None = None


def row(workspace: Workspace, outcome: Outcome) -> Row:
    """Return what a stage took, by what it left behind."""
    address = workspace.address(outcome.stage)
    if outcome.did != "ran":
        return Row(stage=address, did=outcome.did, seconds=outcome.seconds)
    recipe = workspace.recipe if "@" in address else None
    left = StageOutcome.read(workspace.root, outcome.stage, recipe)
    return Row(
        stage=address, did=outcome.did, seconds=outcome.seconds, cpu_s=left.cpu_seconds if left else None,
        gpu_s=_trained_s(workspace, outcome.stage) if has_gpu() else None,
    )  # fmt: skip


def price(root: Path) -> float | None:
    """Return what an hour of this machine costs: as DIPTYCH_PRICE_PER_HOUR says, else deploy.price_per_hour of params.yaml; None where neither does."""
    said = price_said()
    return said if said is not None else load_params(root).deploy.price_per_hour or None


def as_markdown(rows: Iterable[Row], price_per_hour: float | None) -> str:
    """Return the table, with a last row for all, and what is left out of it: what nobody measured or paid for."""
    rows = list(rows)
    total = Row(
        stage="all", did=_counted(rows), seconds=sum(one.seconds for one in rows), cpu_s=_sum(one.cpu_s for one in rows),
        gpu_s=_sum(one.gpu_s for one in rows),
    )  # fmt: skip
    columns = {"stage": lambda one: one.stage, "did": lambda one: one.did, "seconds": lambda one: f"{one.seconds:,.1f}"}
    columns["CPU-s"] = lambda one: "" if one.cpu_s is None else f"{one.cpu_s:,.1f}"
    if total.gpu_s is not None:
        columns["GPU-s"] = lambda one: "" if one.gpu_s is None else f"{one.gpu_s:,.1f}"
    if price_per_hour is not None:
        columns["cost"] = lambda one: f"{one.seconds / 3600 * price_per_hour:,.4f}"
    lines = [list(columns), ["---", "---", *("---:" for _ in range(len(columns) - 2))]]
    lines += [[cell(one) for cell in columns.values()] for one in (*rows, total)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        f"{table}\n\n{'' if price_per_hour is None else f'An hour of this machine costs {price_per_hour:g}.'}".rstrip()
    )


def _counted(rows: list[Row]) -> str:
    counts = {did: sum(one.did == did for one in rows) for did in ("ran", "restored", "cached")}
    return ", ".join(f"{count} {did}" for did, count in counts.items() if count) or "nothing"


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _trained_s(workspace: Workspace, stage: str) -> float | None:
    """Return how long a training computed; None of a stage that trains nothing."""
    if stage not in TRAINED:
        return None
    try:
        said = json.loads((workspace.root / "runs" / workspace.recipe / stage / "metrics.json").read_text())
        return float(said["timing"]["seconds"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None  # nothing was trained
