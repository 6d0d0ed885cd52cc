"""Arms and seeds, each run in a checkout of its own: what a proof judges and a comparison lists.

Stages are brought up to date as by `dvc repro`: what was run before is cached, what was killed goes on, and arms share what they
have in common. An arm may begin from the model of one before, or from the small CLIP that is made once for all.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from components.recipes.micro_clip import MicroClip
from components.recipes.params import UNTRAINED
from components.recipes.proof import Arm
from components.recipes.recipe import RACE, load_finetuning
from components.recipes.starts import made_by
from components.recipes.yaml_lines import overlay
from components.stages.events import clock
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.proving.at_once import Checkout, Key, Todo, bring_up_all
from flows.proving.given import STARTS, micro_clip, put
from flows.proving.leased import committed_params, give_up, lease
from flows.start_learnt import race_with

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

    def run(self, at_once: int = 1) -> Ran:
        """Bring every arm and seed up to date, so many side by side; errors as of `bring_up_all`, and of its stages."""
        tell, committed = AUDIENCE.get().told, committed_params(self.root, self.commit)
        made = dict[MicroClip, Path]()
        todo = {
            (arm, seed): Todo(
                after=self._before(arm, seed), make=partial(self._make, arm, seed, committed, made), log=self.home / f"{arm}-{seed}.log"
            )
            for arm, seed in self.folders
        }  # fmt: skip
        ran, began = dict[Key, Path](), time.monotonic()
        for (arm, seed), checkout, took in bring_up_all(todo, at_once):
            ran[arm, seed] = checkout.place / "runs" / checkout.recipe
            left = (time.monotonic() - began) / len(ran) * (len(todo) - len(ran))
            rest = f", about {clock(left)} left" if left else ""
            tell(f"{arm}, seed {seed}: whole after {clock(took)}; {len(ran)} of {len(todo)}{rest}")
        return {arm: tuple(ran[arm, seed] for seed in self.seeds) for arm in self.arms}

    def _before(self, arm: str, seed: int) -> frozenset[Key]:
        """Return what has to be whole before: what it begins from, and one that makes what all of a seed, or all seeds, have in common."""
        first, given = next(iter(self.arms)), self.arms[arm].given
        before = {(first, seed)} if arm != first else {(first, self.seeds[0])}
        if given is not None and given.micro_clip is None:
            before.add((given.arm, seed))
        return frozenset(before - {(arm, seed)})

    def _make(self, arm: str, seed: int, committed: Mapping[str, Any], made: dict[MicroClip, Path]) -> Checkout:
        AUDIENCE.get().told(f"{arm}, seed {seed}")
        its = self.arms[arm]
        start, model = self._start(its, seed, committed, made)
        folder, params = self.folders[arm, seed], params_of(committed, self, its, seed, start)
        place = lease(self.root, folder, self.commit, params)
        if model:
            put(place, start, model)
            if race := self._race(place, its.recipe, model):
                begin = {**params["recipes"][its.recipe], "race": race}
                lease(self.root, folder, self.commit, {**params, "recipes": {**params["recipes"], its.recipe: begin}})
        return Checkout(place, its.recipe, "pretrain" if arm in self.begun_from else self.until)

    def _race(self, place: Path, recipe: str, model: Path) -> dict[str, Any]:
        """Return what a race is told of what its start learnt from, as `diptych adapt` tells it; nothing where a recipe is not tuned by a race."""
        described = load_finetuning(place, recipe)
        if described is None or described["class_path"] != RACE:
            return {}
        return race_with(described.get("init_args") or {}, model, place, self.root)

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
