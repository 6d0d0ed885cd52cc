"""`diptych adapt PICTURES --from MODEL` in a workspace: the model is laid into `models`, params.yaml says what to do, and the main job does it.

So what comes of it is a version of the registry, judged, served and reported as any other, and a run that was stopped goes on.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.sample import SPLITS
from components.recipes.names import RECIPES
from components.recipes.yaml_lines import read_yaml
from flows.choices import Choices, choose
from flows.given_start import given_start, laid_in, new_folder
from flows.start_learnt import race_with, sentence_of

RECIPE = "adapted"
PLACE, KEY = "data/sets", "evaluation.sets"
NEAR = "leak_near"  # held-out pictures that look nearly like one that is learnt from


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What is asked for.

    Args:
        data: the pictures, as `diptych run --data` takes them.
        start: the folder or file of a model, hf-hub:OWNER/NAME, a version such as clip@3, or micro_clip.
        sets: folders in CLIP_benchmark's layout on which it must not get worse.
        race: numbers of the race, such as `budget_s`.
        numbers: `seed=3` and the like, as `diptych run --set` takes them.
        network: whether a model that is named hf-hub:OWNER/NAME may be fetched.
    """

    data: str
    start: str
    sets: Sequence[Path] = ()
    race: dict[str, Any] = field(default_factory=dict)
    numbers: Sequence[str] = ()
    network: bool = False


def adapt_here(asked: Here, root: Path, here: Path) -> None:
    """Adapt, register, judge and serve; print what came of it and where it is.

    Raises ConfigError, DataError or CapabilityError for what cannot be read, before params.yaml changes; else as of a run.
    """
    from rich.console import Console

    from components.finetuning.raced import AUTO
    from flows.run import run
    from flows.summary import show_end

    choices = choices_of(asked, root, here)
    if choices.race.get("replay") == AUTO:
        print(sentence_of(root / str(choices.start), root), flush=True)
    if changed := choose(root, choices, here):
        print(f"params.yaml now says {'; '.join(changed)}", flush=True)
    shipped, worked = run(root, RECIPE, checked=bool(changed))
    show_end(root, RECIPE, shipped, Console(), "Done." if worked else "Nothing to do: everything is up to date.")
    print(advice_of(root))


def choices_of(asked: Here, root: Path, here: Path) -> Choices:
    """Lay model and sets into the workspace, what the model learnt from, too, and return what params.yaml is to say.

    One half of a set bounds the race, and the other is measured on, so that what is judged chose nothing. What may be lost is what the gate allows, unless
    something else is said. Held-out pictures that are nearly copies are set aside, unless gates.policy says what becomes of them already. Sets that an
    earlier command named, and this one does not, are measured on no more: nothing holds the race to them.
    """
    if "recalled" in asked.race:
        check_recalled(asked.race, asked.data, here)
    if asked.race.get("ways"):
        from components.stages.racing_ways import taking_part

        taking_part(asked.race["ways"])
    named = names_of(asked.sets, own_sets(root) if asked.sets else ())
    place, called = given_start(asked.start, here, asked.network, root)
    start, learnt = laid_in(place, called, root), race_with(asked.race, place, root, here)
    check_recalled({**asked.race, **learnt}, asked.data, here)
    places = {name: set_in(folder, root) for name, folder in named.items()}
    held = {name: {"path": place, "digest": digest_in(root / place), "half": "first"} for name, place in places.items()}
    sets = {name: {"path": place, "half": "second"} for name, place in places.items()}
    said = read_yaml(root / "params.yaml").values
    gates = said.get("gates") or {}
    kept = {"most_lost": gates["retention"]} if "retention" in gates else {}
    race = {**kept, **asked.race, **learnt, **({"sets": held} if held else {})}
    near = [] if NEAR in (gates.get("policy") or {}) else [f"gates.policy.{NEAR}=drop"]
    gone = [f"{KEY}.{name}=" for name in named_before(said) if name not in sets]
    return Choices(
        recipe=RECIPE, data=asked.data, numbers=[*near, *gone, *asked.numbers], start=start, race=race, sets=sets,
    )  # fmt: skip


def own_sets(root: Path) -> list[str]:
    """Return what the sets are called that the recipe measures by itself."""
    return list((read_yaml(root / RECIPES / f"{RECIPE}.yaml").values.get("evaluation") or {}).get("sets") or {})


def names_of(folders: Sequence[Path], shipped: Collection[str] = ()) -> dict[str, Path]:
    """Return the folders of sets by what each is called; ConfigError where two are called alike, or one as the data's own pools or one that ships."""
    from components.data.evaluation_set import name_of

    named: dict[str, Path] = {}
    for folder in folders:
        name = name_of(folder)
        if name in named or name in SPLITS or name in shipped:
            whose = f"what is your own ({', '.join(SPLITS)})" if name in SPLITS else "a set that ships"
            whose = str(named[name]) if name in named else whose
            raise ConfigError(
                f"--set {folder}: it is called {name}, as {whose}, and their numbers would have one name. Rename its folder."
            )
        named[name] = folder
    return named


def named_before(params: Mapping[str, Any]) -> list[str]:
    """Return the sets that an earlier command has put among those that are measured on: of its race, and where its race found them."""
    race = (((params.get("recipes") or {}).get(RECIPE) or {}).get("race") or {}).get("sets") or {}
    measured = ((params.get("overrides") or {}).get("evaluation") or {}).get("sets") or {}
    return [
        name
        for name, its in measured.items()
        if its and its.get("path") and its["path"] == (race.get(name) or {}).get("path")
    ]


def check_recalled(race: Mapping[str, Any], data: str, here: Path) -> None:
    """Raise ConfigError for general pictures that are of no source of the catalogue, of one that reads a path, or of the one that is adapted to.

    A race of the workspace knows them by their source, and what is replayed is drawn, as Race says. It is made before anybody may look at `pair`, so that of the
    data's own source it could recall what is tested on.

    Args:
        race: as recipes.adapted.race is to have it.
        data: the pictures that are adapted to, as the command has them.
        here: where their path begins.
    """
    from components.data.sources.catalogue import read_catalogue, settings_of
    from components.finetuning.raced import SCENES, START, Race

    said = race.get("recalled", {}).get("name")
    if said == START:
        return
    if said is not None:
        names = sorted(name for name, entry in read_catalogue().items() if "path" not in settings_of(entry))
        if said not in names:
            raise ConfigError(
                f"--recalled {said} is no source that needs no path, and in a workspace general pictures are of one: {', '.join(names)}. With --to they may be a "
                "folder, a table or shards."
            )
        Race(replay=race.get("replay", 0.0), recalled={"name": said})
    recalled = said or (SCENES["name"] if race.get("recall") or race.get("replay") else None)
    if recalled == data and not (here / data).exists():
        raise ConfigError(
            f"general pictures would be of {recalled}, as those are that are adapted to, so that some of them may be tested on. Name another source by "
            "--recalled, or take --to: there no general picture is one that is tested on."
        )


def advice_of(root: Path) -> str:
    """Return what came of it in a sentence, as the package says it."""
    manifest = json.loads((root / "runs" / RECIPE / "package/manifest.json").read_text(encoding="utf-8"))
    return str(manifest["advice"])


def set_in(folder: Path, root: Path) -> str:
    """Return where a set lies in data/sets, from the workspace; laid there where it lies elsewhere, without taking room where the disk is one."""
    from components.data.evaluation_set import name_of

    place = Path(PLACE) / name_of(folder)
    digest = digest_in(folder)
    if not (root / place).exists():
        with new_folder(root / place) as made:
            shutil.copytree(folder, made, copy_function=_linked)
    elif digest_in(root / place) != digest:
        raise ConfigError(
            f"--set {folder}: {place} is another set of that name. Rename the folder, or take the other away."
        )
    return place.as_posix()


def digest_in(folder: Path) -> str:
    """Return the first digits of the digest of a set, by which a race knows it."""
    from components.data.evaluation_set import read_set

    return read_set(folder).digest[:12]


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
