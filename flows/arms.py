"""Arms and seeds, each run in a checkout of its own: what a proof judges and a comparison lists.

Stages are brought up to date as by `dvc repro`: what was run before is cached, what was killed goes on, and arms share what they
have in common. An arm may begin from the model of one before, or from the small CLIP that is made once for all.
"""

import contextlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.recipes.micro_clip import MicroClip
from components.recipes.params import UNTRAINED
from components.recipes.proof import Arm
from components.recipes.starts import made_by
from components.recipes.yaml_lines import overlay
from components.stages.events import clock
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.given import STARTS, micro_clip, put
from flows.leased import committed_params, give_up, lease
from flows.workspace import Workspace

Ran = Mapping[str, tuple[Path, ...]]
"""Arm -> for each seed, in their order, runs/<recipe> of its checkout."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is run.

    Args:
        root: the workspace.
        name: of its checkouts' folder, below .diptych/proofs.
        commit: whose code it is.
        arms: name -> way to train, those that others begin from first.
        seeds: each arm is run once for each.
        scale: of every arm.
        source: in place of params.yaml's; {} takes the English emoji.
        until: last stage.
        begun_from: arms that are run until pretrain alone, since only others are measured.
    """

    root: Path
    name: str
    commit: str
    arms: Mapping[str, Arm]
    seeds: tuple[int, ...]
    scale: str
    source: Mapping[str, Any] = field(default_factory=dict)
    until: str = "evaluate"
    begun_from: frozenset[str] = frozenset()

    @property
    def home(self) -> Path:
        """The folder of its checkouts."""
        return private(self.root, "proofs") / self.name

    @property
    def folders(self) -> dict[tuple[str, int], Path]:
        """Where each arm and seed is run; seeds go slowest, so that what there is after a while is of all arms."""
        return {(arm, seed): self.home / f"{arm}-{seed}" for seed in self.seeds for arm in self.arms}

    def run(self) -> Ran:
        """Bring every arm and seed up to date."""
        tell, committed = AUDIENCE.get().told, committed_params(self.root, self.commit)
        ran: dict[str, list[Path]] = {arm: [] for arm in self.arms}
        took, made = list[float](), dict[MicroClip, Path]()
        for done, ((name, seed), folder) in enumerate(self.folders.items()):
            rest = f", about {clock(sum(took) / len(took) * (len(self.folders) - done))} left" if took else ""
            tell(f"{name}, seed {seed}: {done + 1} of {len(self.folders)}{rest}")
            began, arm = time.monotonic(), self.arms[name]
            start, model = self._start(arm, seed, committed, made)
            place = lease(self.root, folder, self.commit, params_of(committed, self, arm, seed, start))
            if model:
                put(place, start, model)
            with contextlib.chdir(place), Workspace.here(arm.recipe, place) as workspace:  # DVC names paths from there
                for its, stage in workspace.work("pretrain" if name in self.begun_from else self.until):
                    its.repro(stage)
            took.append(time.monotonic() - began)
            ran[name].append(place / "runs" / arm.recipe)
        return {arm: tuple(places) for arm, places in ran.items()}

    def clear(self) -> None:
        """Remove the checkouts; what DVC cached stays."""
        for folder in (*self.folders.values(), self._plain):
            give_up(self.root, folder)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def _plain(self) -> Path:
        return self.home / "starts"

    def _start(
        self, arm: Arm, seed: int, committed: Mapping[str, Any], made: dict[MicroClip, Path]
    ) -> tuple[str, Path | None]:
        """Return what an arm begins from, as params.yaml says it, and the folder of the model that has to be put there."""
        given = arm.given
        if given is None:
            assert isinstance(arm.start, str)
            return arm.start, None
        if given.micro_clip is None:
            before = self.folders[given.arm, seed] / "runs" / self.arms[given.arm].recipe
            return f"{STARTS}/{given.arm}", before / "pretrain"
        if given.micro_clip not in made:
            plain = {**committed, "overrides": {section: {} for section in committed.get("overrides") or {}}}
            place = lease(self.root, self._plain, self.commit, plain)
            made[given.micro_clip] = micro_clip(self.root, place, given.micro_clip)
        return f"{STARTS}/{made[given.micro_clip].name}", made[given.micro_clip]


def params_of(committed: Mapping[str, Any], study: Study, arm: Arm, seed: int, start: str) -> dict[str, Any]:
    """Return params.yaml of a run: what is committed, with the study's data, scale and seed, and what the arm says of its own."""
    usual = {"name": "emoji", "languages": ["en"]}
    nothing: dict[str, Any] = {section: {} for section in committed.get("overrides") or {}}
    made = made_by(start)
    before = {made[0]: {"start": UNTRAINED}} if made else {}
    return {
        **committed,
        "source": overlay(
            {"path": committed["source"]["path"], **(study.source or usual)}, arm.source
        ),  # DVC watches a path in any case
        "recipes": {**before, arm.recipe: {"start": start, "model": arm.model}},
        "scale": study.scale,
        "seed": seed,
        "overrides": overlay(nothing, arm.overrides),
    }
