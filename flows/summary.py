"""The end of a run: what was measured and what it means, what the model answers, where everything is, what is next."""

import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from components.contracts.address import without_password
from components.contracts.errors import DiptychError
from components.evaluation.wording import BASELINES_MEAN, DIRECTION_MEANS, SPLIT_MEANS, allowed, further_rows, percent
from components.registry.store import store_uri
from components.serving.record import read_gateway
from flows.shipped import Shipped

ASKED = {
    "emoji": ("a red heart", "a smiling cat", "a police car"),
    "scenes": ("a large red circle in the centre", "a small blue square left of a large green star", "a striped heart"),
}


def show_end(root: Path, recipe: str, shipped: Shipped | None, console: Console, said: str) -> None:
    """Print the ending of a run; `said` is its first sentence."""
    console.print(f"\n{said}\n", style="bold", highlight=False)
    metrics = json.loads((root / "runs" / recipe / "evaluate" / "metrics.json").read_text())
    console.print(table_of(recipe, metrics))
    console.print(meaning(metrics), style="dim", highlight=False)
    console.print()
    if further_rows(metrics):
        console.print(further_table(metrics))
        console.print(methods(metrics), style="dim", highlight=False)
    console.print(allowed(metrics, _source(root), _without(root, recipe)), highlight=False, markup=False)
    if shipped is not None:
        _show_answers(root, shipped, console)
    _show_places(root, recipe, shipped, console)


def table_of(recipe: str, metrics: dict[str, dict[str, Any]]) -> Table:
    """Return a row for each thing that was tested, R@1 and R@10 each beside the baseline and chance."""
    title = f"What {recipe} was measured to do"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for name in ("split", "asked"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "R@1", "base", "chance", "R@10", "base", "chance"):
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name.startswith("R@") else "")
    for split in SPLIT_MEANS:
        for direction, asked in DIRECTION_MEANS.items():
            found = [metrics.get(f"retrieval.{split}.{direction}.recall_at_{k}") for k in (1, 10)]
            if first := next((metric for metric in found if metric is not None), None):
                table.add_row(split, asked, f"{first['n']:,}", *(cell for metric in found for cell in _cells(metric)))
    return table


def meaning(metrics: dict[str, dict[str, Any]]) -> str:
    """Return what the numbers say, for somebody who has not met recall."""
    splits = "; ".join(f"{split}: {tested}" for split, tested in SPLIT_MEANS.items() if _measured(split, metrics))
    text = (
        f"{splits}. R@k is the share of n queries whose right answer is among the first k; chance is what guessing "
        "gets, base what the nearest training picture by shape and colour gets, with no training."
    )
    if (metric := metrics.get("retrieval.pair.image_to_text.recall_at_1")) is None:
        return text
    value, chance = metric["value"], metric["chance"]
    times = f", {value / chance:,.0f} times as often as guessing" if chance > 0 else ""
    return f"{text} So of 100 new pictures, {100 * value:.0f} get their own name first{times}."


def further_table(metrics: dict[str, dict[str, Any]]) -> Table:
    """Return a row for what was measured beside retrieval, each number beside the baseline and chance."""
    table = Table(title="Beside retrieval", title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    for name in ("measured", "split"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "value", "base", "chance"):
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name == "value" else "")
    for row in further_rows(metrics, brief=True):
        numbers = (row["value"], row["baseline"], row["chance"])
        table.add_row(row["asked"], row["split"], f"{row['n']:,}", *numbers)
    return table


def methods(metrics: dict[str, dict[str, Any]]) -> str:
    """Return how each number was asked for, things asked in the same way said once."""
    asked: dict[str, dict[str, None]] = {}
    for row in further_rows(metrics, brief=True):
        asked.setdefault(row["method"], {})[row["asked"]] = None
    how = "; ".join(f"{', '.join(what)}: {how}" for how, what in asked.items())
    return f"{how}. Base is what these get: {BASELINES_MEAN}."


def _source(root: Path) -> dict[str, Any]:
    return _read(root / "data" / "raw" / "source.json").get("source", {})


def _without(root: Path, recipe: str) -> dict[str, str]:
    return _read(root / "runs" / recipe / "evaluate" / "without.json")


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON of a file, {} where there is none: runs of before have not written it."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _measured(split: str, metrics: dict[str, dict[str, Any]]) -> bool:
    return any(name.startswith(f"retrieval.{split}.") for name in metrics)


def _cells(metric: dict[str, Any] | None) -> tuple[str, str, str]:
    if metric is None:
        return "", "", ""
    return percent(metric["value"]), percent(metric["baseline"]), percent(metric["chance"])


def _show_answers(root: Path, shipped: Shipped, console: Console) -> None:
    """Ask the server, if there is one, and print a text with its nearest pictures by name."""
    console.print()
    if shipped.unserved is not None:
        console.print(shipped.unserved, highlight=False, markup=False)
        return
    from flows.ask import ask

    console.print(
        f"What {shipped.champion} answers, asked through Triton for the pictures nearest to a text", style="italic"
    )
    for text in examples_of(root):
        console.print(f'"{text}"', highlight=False, markup=False)  # a caption may have [b] in it
        for hit in ask(root, text, top_k=3):
            console.print(f"    {hit.score:5.2f}  {hit.text} ({hit.source})", highlight=False, markup=False)


def examples_of(root: Path) -> tuple[str, ...]:
    """Return texts to ask a model of this data: its source's own, else a person's captions as they were found."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    name = str(params.get("source", {}).get("name"))
    if name in ASKED:
        return ASKED[name]
    came_in = json.loads((root / "data" / "raw" / "source.json").read_text(encoding="utf-8"))
    return tuple(came_in["source"].get("examples") or ("a red heart",))  # a person's own captions, as they were found


def _show_places(root: Path, recipe: str, shipped: Shipped | None, console: Console) -> None:
    places = {
        "report": root / "runs" / recipe / "package" / "report.html",
        "data": root / "data" / "validated" / "report.html",
        "model": root / "runs" / recipe / "package",
    }
    lines = [f"{name:<9}{path}" for name, path in places.items() if path.exists()]
    if shipped is not None:
        lines.append(f"{'version':<9}{shipped.version}; {shipped.verdict}")
    lines.append(
        f"{'runs':<9}diptych ui shows them in Prefect and MLflow; the store is {without_password(store_uri(root))}"
    )
    if shipped is not None and shipped.unserved is None:
        lines.append(f"{'server':<9}{_server(root)}; it goes on running, stop it with: diptych down (or make down)")
        if (gateway := read_gateway(root)) is not None:
            lines.append(
                f"{'page':<9}{gateway.url} finds pictures by words or by a picture; its API is at {gateway.url}openapi.json"
            )
        lines.append(f'{"ask":<9}diptych ask "{examples_of(root)[0]}"')
    console.print()
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _server(root: Path) -> str:
    from components.serving.endpoint import read_endpoint

    try:
        endpoint = read_endpoint(root)
    except DiptychError as err:
        return str(err)
    return f"Triton at http://{endpoint.http}" if endpoint is not None else "none"
