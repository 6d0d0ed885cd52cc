"""What `diptych data check --params FILE` asks of data: what `diptych run` would, where that file is its params.yaml."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, GateClosed
from components.contracts.needs import Needs
from components.data.remote.addresses import REMOTE
from components.recipes.data_params import DataParams, load_data_params
from components.recipes.params import Gates, check_bar
from components.recipes.recipe import load_needs
from components.validation.asked import Asked
from components.validation.fit import Scoring
from components.validation.takedown import LIST, Takedown, read_takedown

KNOWN_BAD = "data/known-bad.txt"  # beside params.yaml, as in a workspace; so is LIST


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a file says, and what follows from it.

    Args:
        path: of the file; None where there is none.
        params: its sections about data.
        asked: of the data.
    """

    path: Path | None = None
    params: DataParams = field(default_factory=DataParams)
    asked: Asked = field(default_factory=Asked)


def asked_in(path: Path | None, here: Path, model: str | None = None, misfit: float | None = None) -> Held:
    """Read a params.yaml, and the lists beside it, where there are some; ConfigError for what does not make sense in them.

    `model` and `misfit` stand in place of the file's `gates.scored_by` and `gates.misfit`; `model` is relative to `here`.
    """
    held = _held(path)
    gates = held.params.gates or Gates(max_broken=1.0)
    bar = gates.misfit if misfit is None else misfit
    check_bar("--misfit", bar)
    said, beside = (model, here) if model is not None else (gates.scored_by, path.parent if path else here)
    if not said:
        if misfit is not None:
            raise ConfigError(
                f"--misfit is {misfit}, but no model is named that scores pairs. Name one: --model PACKAGE."
            )
        return held
    from components.serving.scorer import open_scorer

    root = next((folder for folder in (beside, *beside.parents) if (folder / "dvc.yaml").exists()), None)
    scoring = Scoring(scorer=open_scorer(said, beside, root), bar=bar)
    return replace(held, asked=replace(held.asked, scoring=scoring))


def _held(path: Path | None) -> Held:
    if path is None:
        return Held()
    params = load_data_params(path)
    asked = Asked(
        admit=params.admit, policy=params.gates.policy if params.gates else {}, seed=params.seed,
        takedown=_listed(path.parent / LIST), known_bad=_listed(path.parent / KNOWN_BAD),
        needs=_needs(path, params),
    )  # fmt: skip
    return Held(path=path, params=params, asked=asked)


def _needs(path: Path, params: DataParams) -> dict[str, Needs]:
    """Return what the recipes of a workspace need; nothing where the file stands alone, or a recipe needs nothing more."""
    there = [name for name in params.recipes if (path.parent / f"components/recipes/{name}.yaml").is_file()]
    if path.name != "params.yaml" or not params.scale:
        return {}
    needs = {name: load_needs(path.parent, name, params.scale) for name in there}
    return {name: its for name, its in needs.items() if its != Needs()}


def _listed(path: Path) -> Takedown:
    return read_takedown(path) if path.is_file() else Takedown()


def source_in(held: Held, allow_hosts: Sequence[str] = ()) -> Any:
    """Return the source that the file names, its path relative to the file; ConfigError where there is none."""
    from components.data.sources.catalogue import build_source

    if held.path is None or held.params.source is None:
        lacks = (
            "nothing was named" if held.path is None else f"nothing was named, and {held.path} has no section source"
        )
        raise ConfigError(f"{lacks}, so there is nothing to check. Name a folder, a table, shards, or a source.")
    source = dict(held.params.source)
    if "path" in source and not REMOTE.match(str(source["path"])):
        source["path"] = str(held.path.parent / str(source["path"]))
    if allow_hosts:
        source["allow_hosts"] = [*source.get("allow_hosts", ()), *allow_hosts]
    return build_source(source)


def check_gates(held: Held, counts: Mapping[str, Any], max_broken: float | None, listed: Path) -> None:
    """Raise GateClosed where more is broken than `max_broken`, or else the file, allows, a recipe has nothing to learn from, or
    something is refused and `admit` closes.
    """
    from components.data.admission import REFUSALS

    gates = held.params.gates
    said, most = "--max-broken", max_broken
    if most is None:
        said, most = ("gates.max_broken", gates.max_broken) if gates else ("", 1.0)
    if counts["broken"] > most * counts["rows_in"]:
        raise GateClosed(
            f"{counts['broken']:,} of {counts['rows_in']:,} records are broken, and {said} allows {most:.2%}. Mend "
            f"them, or take them out: {listed} lists them."
        )
    for its in counts["needs"].values():
        if its["refusal"]:
            raise GateClosed(its["refusal"])
    refused = {code: counts["reasons"][code] for code in REFUSALS if code in counts["reasons"]}
    if refused and held.params.admit.otherwise == "close":
        codes = ", ".join(f"{code} ({count:,})" for code, count in refused.items())
        raise GateClosed(
            f"{sum(refused.values()):,} records may not come in: {codes}, and admit.otherwise is close. Take them out of the "
            f"data: {listed} lists them."
        )
