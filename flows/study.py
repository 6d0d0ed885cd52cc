"""`diptych study`: runs side by side, query by query, as a table."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import ConfigError
from components.evaluation.wording import shown
from flows.report import measured
from flows.run import find_root

if TYPE_CHECKING:
    from components.evaluation.outcomes import Evaluated
    from components.evaluation.study import Line

METRICS = "metrics.json"


def study(
    here: Path, said: Sequence[str], against: str | None, metrics: Sequence[str], seed: int, as_json: bool
) -> None:
    """Print how runs compare: a version of the registry, such as `clip@3`, or a folder with metrics.json and rows; several are `NAME=RUN,RUN`.

    Args:
        here: what folders are relative to, and where the workspace is whose registry versions are of.
        said: the arms.
        against: whose name others are held against; the first unless given.
        metrics: patterns of names.
        seed: of the draws.

    ConfigError for what is no run, and as of `components.evaluation.study.study`.
    """
    from components.evaluation.study import comparisons, left_out
    from components.evaluation.study import study as compared

    arms: dict[str, list[Evaluated]] = {}
    for one in said:
        name, equals, runs = one.partition("=")
        if name in arms:
            raise ConfigError(f"{name} takes part twice. Give each arm a name of its own: NAME=RUN.")
        arms[name] = [_run(run, here) for run in (runs.split(",") if equals else [name])]
    lines = compared(arms, against, metrics, seed)
    units = {name: metric["unit"] for runs in arms.values() for name, metric in runs[0].metrics.items()}
    if as_json:
        print(json.dumps([{**asdict(line), "unit": units[line.metric]} for line in lines], ensure_ascii=False))
    else:
        many = comparisons(list(dict.fromkeys(line.metric for line in lines)), arms)
        print("\n".join(table(lines, units, against or next(iter(arms)), many)))
    if without := left_out(arms, against, metrics):
        named = f"{', '.join(without[:3])}{', ...' if len(without) > 3 else ''}"
        said_to = sys.stderr if as_json else sys.stdout
        print(
            f"Left out, as {against or next(iter(arms))} has no rows of them: {len(without)} ({named}).", file=said_to
        )


def table(lines: Sequence["Line"], units: Mapping[str, str], against: str, many: int) -> Iterator[str]:
    """Yield the table in Markdown: a row a number, a column an arm, and what is to be known to read it.

    Args:
        units: name of a number -> its unit.
        against: the arm that others are held against.
        many: comparisons that are corrected for, those among them that could not be made.
    """
    arms = list(dict.fromkeys(line.arm for line in lines))
    others = [arm for arm in arms if arm != against]
    runs = {arm: max(line.runs for line in lines if line.arm == arm) for arm in arms}
    yield "| | " + " | ".join([against, *others]) + " |"
    yield "| --- |" + " --- |" * len(arms)
    for metric in dict.fromkeys(line.metric for line in lines):
        its = {line.arm: line for line in lines if line.metric == metric}
        cells = [_cell(its.get(arm), units[metric]) for arm in [against, *others]]
        yield f"| {metric} | " + " | ".join(cells) + " |"
    yield ""
    yield (
        f"Differences are to {against}, with 95% intervals over the same queries; bold: not 0 where all {many} comparisons are corrected for "
        "(Bonferroni)."
    )
    alone = [arm for arm, count in runs.items() if count == 1]
    if alone:
        yield f"Of {', '.join(alone)} there is one run: how much another seed of the training changes is not in it."
    if otherwise := [f"{line.arm} {line.metric}" for line in lines if line.otherwise]:
        yield (
            f"Asked in another way than {against}, as `method` of metrics.json says, which is part of the difference: {otherwise[0]}"
            f"{f' and {len(otherwise) - 1} more' if len(otherwise) > 1 else ''}."
        )
    for why in dict.fromkeys(line.why for line in lines if line.why):
        left = [f"{line.arm} {line.metric}" for line in lines if line.why == why]
        yield f"Not compared ({why}): {left[0]}{f' and {len(left) - 1} more' if len(left) > 1 else ''}."


def _cell(line: "Line | None", unit: str) -> str:
    if line is None:
        return ""
    value = shown(line.value, unit)
    if line.difference is None or line.low is None or line.high is None:
        return value
    difference = f"{_change(line.difference, unit)} ({_change(line.low, unit)} to {_change(line.high, unit)})"
    return f"{value}, {f'**{difference}**' if line.apart else difference}"


def _change(value: float, unit: str) -> str:
    return f"{100 * value:+.1f}" if unit == "fraction" else f"{value:+,.3g}"


def _run(said: str, here: Path) -> "Evaluated":
    """Return what a version or a folder holds."""
    from components.evaluation.outcomes import Evaluated
    from components.registry.store import open_store

    if (here / said / METRICS).is_file():
        return Evaluated.read(here / said, said)
    if "@" not in said:
        raise ConfigError(
            f"{said!r} is no folder with {METRICS}, and no version of the registry. Name one, such as runs/clip/evaluate or clip@3."
        )
    root = find_root(here)
    return measured(said, root, open_store(root))
