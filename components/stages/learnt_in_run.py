"""What the model of a run learnt from, and by what optimizer, as the dvc.lock of its workspace has it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import ConfigError, DataError
from components.contracts.plain_yaml import load_yaml
from components.recipes.section import build
from components.recipes.views import MAIN
from components.recipes.yaml_lines import overlay
from components.training.numbers import Optimisation

CHAIN = ("pretrain", "finetune", "package")
"""Stages that leave a model in runs/<recipe>/<stage>, each made of the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntInRun:
    """What a recipe selected, and its training read.

    Args:
        root: the workspace.
        recipe: whose run it was.
    """

    root: Path
    recipe: str

    @classmethod
    def of(cls, model: Path) -> "LearntInRun | None":
        """Return that of the folder of a model; None where that is no run's, the run did not begin with random weights, or the workspace has, by dvc.lock, selected or trained since.

        Raises DataError for a dvc.lock, or a report, that is none.
        """
        place = model.resolve()
        if len(place.parents) < 3 or place.name not in CHAIN or place.parents[1].name != "runs":
            return None
        found = cls(root=place.parents[2], recipe=place.parent.name)
        return found if found._is_whole(place.name) and found._began_anew() else None

    @property
    def selection(self) -> str:
        """Return where they are chosen, from the workspace."""
        return f"data/curated/{self.recipe}"

    def optimisation(self) -> Optimisation | None:
        """Return the numbers of the optimizer that pre-training took, by dvc.lock; None where it does not say them as they are said today.

        Rates of single parameters are left out: they are by names of what its method had, of which the model is a part.
        """
        said = self._training().get("optimisation")
        if not isinstance(said, Mapping):
            return None
        try:
            return replace(build(dict(said), Optimisation), rates={})
        except ConfigError:
            return None

    def views(self) -> Mapping[str, Any] | None:
        """Return what its training pictures went through in pre-training (`main` of a recipe's views), by dvc.lock; None where that does not say it."""
        training = self._training()
        said = training.get("views", {}) if training else None
        if not isinstance(said, Mapping):
            return None
        main = said.get(MAIN)
        return {**(main if isinstance(main, Mapping) else said)}

    def _training(self) -> Mapping[str, Any]:
        params = self._stages().get(f"pretrain@{self.recipe}", {}).get("params", {})
        training = params.get(f"components/recipes/{self.recipe}.yaml", {}).get("training") or {}
        return overlay(training, params.get("params.yaml", {}).get("overrides.training") or {})

    def _began_anew(self) -> bool:
        """Return whether this is all that the model ever learnt from: what another start knows, these pictures do not show."""
        report = self.root / f"runs/{self.recipe}/pretrain/metrics.json"
        try:
            return report.is_file() and json.loads(report.read_text(encoding="utf-8")).get("start") is None
        except ValueError as err:
            raise DataError(
                f"{report} cannot be read: {err}. Train the model anew: dvc repro -f pretrain@{self.recipe}"
            ) from err

    def _is_whole(self, stage: str) -> bool:
        """Return whether each stage up to this one was made, when it was last, of what the one before has now."""
        stages = self._stages()
        if not (self.root / self.selection / "manifest.parquet").is_file() or not stages:
            return False
        before, path = "curate", self.selection
        for name in CHAIN[: CHAIN.index(stage) + 1]:
            made = _digest(stages, f"{before}@{self.recipe}", "outs", path)
            if made is None or made != _digest(stages, f"{name}@{self.recipe}", "deps", path):
                return False
            before, path = name, f"runs/{self.recipe}/{name}"
        return True

    def _stages(self) -> Mapping[str, Any]:
        lock = self.root / "dvc.lock"
        try:
            said = load_yaml(lock.read_text(encoding="utf-8")) if lock.is_file() else None
        except (yaml.YAMLError, UnicodeDecodeError) as err:
            raise DataError(
                f"{lock} cannot be read: {err}. Put it back as it was committed: git checkout dvc.lock."
            ) from err
        return said.get("stages") or {} if isinstance(said, Mapping) else {}


def _digest(stages: Mapping[str, Any], stage: str, kind: str, path: str) -> str | None:
    """Return what dvc.lock says that a path is to a stage; None where it does not."""
    entries = stages.get(stage, {}).get(kind, ())
    return next((str(entry["md5"]) for entry in entries if entry.get("path") == path and "md5" in entry), None)
