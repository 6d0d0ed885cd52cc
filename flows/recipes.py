"""The recipes there are: what paper each follows, what it claims, and what was measured; or one of them, resolved."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import ConfigError
from components.recipes.names import RECIPES, exists
from components.recipes.params import load_params
from components.recipes.recipe import load_card, load_recipe, load_scale, read_recipe
from components.recipes.yaml_lines import read_yaml

RESULTS, PROOFS = "docs/results", "docs/proofs"
HEADLINES = ("retrieval.pair.image_to_text.recall_at_1", "retrieval.pair.text_to_image.recall_at_1")
"""What is said of a recipe that was measured: held-out pictures of known things, either way."""


def recipes(root: Path) -> list[dict[str, Any]]:
    """Return what `diptych recipes --json` prints, a recipe a row: name, paper, claim, status, evidence.

    status is the verdict of `diptych prove` (`holds`, `does not hold`, `underpowered`), without one `measured` or `not run`; or
    `broken`, and then `evidence` is the fault: one recipe's is no other's. `proof` is what the verdict rests on, or null;
    `evidence` is the headline of what was recorded, else on what the proof was run.
    """
    chosen = read_yaml(root / "params.yaml").values.get("recipes") or []
    rows = []
    for path in sorted((root / RECIPES).glob("*.yaml")):
        row: dict[str, Any] = {"name": path.stem, "chosen": path.stem in chosen}
        try:
            card = load_card(root, path.stem)
        except ConfigError as err:
            rows.append({**row, "status": "broken", "evidence": str(err)})
            continue
        measured, proven = _measured(root, path.stem), _proven(root, path.stem)
        said = {name: value for name, value in asdict(card).items() if name != "proof"}
        status = proven["outcome"] if proven else "measured" if measured or card.evidence != "not run" else "not run"
        row |= said | {
            "status": status,
            "evidence": measured or (run_on(proven) if proven else card.evidence),
            "proof": proven,
        }
        rows.append(row)
    return rows


def as_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield them for a person; `*` is before what params.yaml names."""
    for row in rows:
        yield f"{'*' if row['chosen'] else ' '} {row['name']}: {row['status']}"
        if row["status"] != "broken":
            yield f"    {row['title']} ({row['year']}, arXiv:{row['arxiv']})"
            yield f"    claims   {row['claim']}"
        yield f"    evidence {row['evidence']}"
        if row.get("proof"):
            lines = (*of_proof(row["proof"]), run_on(row["proof"]))
            yield from (f"    proof    {line}" for line in lines if line != row["evidence"])


def resolved(root: Path, name: str, scale: str | None = None) -> str:
    """Return a recipe as YAML: the sizes and numbers of a scale, of params.yaml unless given, and its overrides laid over.

    Raises ConfigError with line and nearest name.
    """
    params = load_params(root)
    if not (root / RECIPES / f"{name}.yaml").exists():
        exists(root, RECIPES, name, read_yaml(root / "params.yaml"), "recipes")
    recipe, numbers = load_recipe(root, name, scale or params.scale), load_scale(root, scale or params.scale)
    shown = {"scale": scale or params.scale, **asdict(recipe)}
    shown["training"] = {**shown["training"], **asdict(numbers)}
    listed = read_recipe(root, name).values["evaluation"] or {}
    shown["evaluation"]["evaluators"] = listed.get("evaluators", [])  # as written: what is typed above is built by now
    return yaml.safe_dump(json.loads(json.dumps(shown)), sort_keys=False, allow_unicode=True, width=120)


def of_proof(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each claim of a kept proof."""
    for one in said["claims"]:
        between = f"{one['mean']:.4g} ({one['low']:.4g} to {one['high']:.4g})"
        yield f"{one['claim']}: {one['outcome']}, {between}"


def run_on(said: Mapping[str, Any]) -> str:
    """Return on what a kept proof was run, and where it lies."""
    return f"{len(said['seeds'])} seeds, {said['machine']}, {said['commit'][:7]}; {PROOFS}/{said['recipe']}.json"


def _proven(root: Path, name: str) -> dict[str, Any] | None:
    """Return what `diptych prove` kept; None where it was not run."""
    try:
        kept: dict[str, Any] = json.loads((root / PROOFS / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return kept


def _measured(root: Path, name: str) -> str | None:
    """Return the headline of what was recorded; None where nothing was."""
    try:
        kept = json.loads((root / RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    found = [kept["metrics"][key] for key in HEADLINES if key in kept["metrics"]]
    shares = " / ".join(f"{one['value']:.1%}" for one in found)
    chance = f", chance {found[0]['chance']:.1%} of {found[0]['n']}" if found else ""
    return f"R@1 on pair {shares}{chance}; {kept['machine']}, {kept['commit'][:7]}; {RESULTS}/{name}.json"
