"""What `diptych run` is told on the command line, written to params.yaml: one home for every choice.

So that the next run, a shell `dvc repro` and a scheduled one go on with the same choices, as after `dvc exp run -S`.
Comments and order stay; the file changes whole or not at all, and only when the new choices can be run.
"""

import difflib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.contracts.errors import ConfigError
from components.data.remote.addresses import REMOTE
from components.recipes.names import RECIPES, nearest
from components.recipes.params import INIT_FROM, OVERRIDABLE, UNTRAINED, Params
from components.recipes.yaml_lines import read_yaml
from components.stages.lock import hold
from components.stages.place import private
from flows.checking import check_candidate
from flows.given_start import start_in

INIT = f"overrides.training.{INIT_FROM}"
PLACE = "data/own"  # what the others leave in source.path, for DVC to watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was said on the command line; None and () where nothing was.

    Args:
        recipe: a name in components/recipes/.
        scale: a name in components/recipes/scales/.
        data: the path of own pictures, a URL where they lie, or a source's name.
        numbers: `training.steps=500` and the like, in order.
        start: the folder of the model that the recipe begins from.
        race: numbers of its race of ways to tune, beside the start.
        compatible_with: the folder of the model whose index the recipe's is to search, as `lay_in` gives it.
        sets: name -> an evaluation set, as `evaluation.sets` has it.
    """

    recipe: str | None = None
    scale: str | None = None
    data: str | None = None
    numbers: Sequence[str] = ()
    start: str | None = None
    race: Mapping[str, Any] = field(default_factory=dict)
    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    compatible_with: str | None = None

    def __bool__(self) -> bool:
        return any((self.recipe, self.scale, self.data, self.numbers, self.compatible_with))


def choose(root: Path, choices: Choices, here: Path) -> tuple[str, ...]:
    """Write the choices to params.yaml; return what changed, such as `overrides.training.steps: 500`.

    Relative paths start at `here`. Raises ConfigError, and changes nothing, for what could not be run, and Busy while another run holds the workspace.
    """
    with hold(private(root, "locks") / "workspace.lock", f"the workspace {root}"):
        return rewrite(root, lambda params: _wanted(root, choices, here, params), check=True)


def rewrite(
    root: Path, wanted: Callable[[Mapping[str, Any]], Iterable[tuple[str, Any]]], check: bool = False
) -> tuple[str, ...]:
    """Put values into params.yaml, whole or not at all; return what changed, such as `overrides.training.steps: 500`. Whoever calls holds the workspace.

    Args:
        wanted: gives, of what params.yaml says, dotted keys with their new values.
        check: whether what cannot be run is refused, by ConfigError.
    """
    path = root / "params.yaml"
    read_yaml(path)  # says what is wrong with the file as it is, before it is said of the change
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    before = path.read_text(encoding="utf-8")
    params = yaml.load(before)
    changed = tuple(f"{key}: {said}" for key, value in wanted(params) if (said := _put(params, key, value)))
    written = io.StringIO()
    yaml.dump(params, written)
    if changed:
        try:
            if check:
                check_candidate(root, written.getvalue())
        except ConfigError as err:
            raise ConfigError(f"{err} params.yaml stays as it was: the line is of what it would have become.") from err
        half = path.with_name(f".params.yaml.{os.getpid()}")
        half.write_text(written.getvalue(), encoding="utf-8")
        half.replace(path)
    return changed


def _wanted(root: Path, choices: Choices, here: Path, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (dotted key of params.yaml, its new value)."""
    if choices.data is not None:
        yield "source", _source(choices.data, here, params)
    if choices.start is not None:
        race = {"race": dict(choices.race)} if choices.race else {}
        yield f"recipes.{choices.recipe}", {"start": choices.start, **race}
    elif choices.recipe is not None and choices.recipe not in params["recipes"]:
        known = sorted(path.stem for path in (root / RECIPES).glob("*.yaml"))
        if choices.recipe not in known:
            raise ConfigError(f"there is no recipe {choices.recipe!r}. {nearest(choices.recipe, known, RECIPES)}")
        yield f"recipes.{choices.recipe}", {"start": UNTRAINED}
    if choices.compatible_with is not None:
        yield f"recipes.{choices.recipe}.compatible_with", choices.compatible_with
    if choices.scale is not None:
        yield "scale", choices.scale
    for name, said in choices.sets.items():
        yield f"overrides.evaluation.sets.{name}", dict(said)
    keys = [_number(number) for number in choices.numbers]
    for key, value in keys:
        if key == INIT:
            yield from _begun(root, here, choices, params, keys, value)
        else:
            yield key, value


def _begun(
    root: Path, here: Path, choices: Choices, params: Mapping[str, Any], keys: Sequence[tuple[str, Any]], start: Any
) -> Iterator[tuple[str, Any]]:
    """Yield the places of params.yaml that say what a recipe begins from, which `training.init_from` is another word for; where DVC reads it.

    Raises ConfigError where nobody says which recipe, or the start is said by both words; else as of `start_in`.
    """
    names = [choices.recipe] if choices.recipe else list(params["recipes"])
    if len(names) != 1:
        raise ConfigError(
            f"--set training.{INIT_FROM}={start}: there are the recipes {', '.join(names)}. Say by --recipe which of them begins from it."
        )
    key = f"recipes.{names[0]}.start"
    if choices.start is not None or key in dict(keys):
        raise ConfigError(
            f"--set training.{INIT_FROM}={start} and {key} say the same thing, what {names[0]} begins from. Give one of them."
        )
    model = f"recipes.{names[0]}.model"
    if start is None:
        if (params["recipes"].get(names[0]) or {}).get("model") == "start":  # of which there is none now
            yield model, "recipe"
        yield key, UNTRAINED
        return
    place, brings = start_in(str(start), root, here)
    if brings:
        yield model, "start"
    yield key, place


def _source(data: str, here: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `source:` that reads `data`: own pictures at a path, shards at a URL, or a source that has its own.

    What params.yaml says already, and that source takes too, stays.
    """
    from components.data.sources.catalogue import read_catalogue, settings_of
    from components.data.sources.which import describe_path
    from components.data.sources.which_url import describe_url

    if REMOTE.match(data):
        return {"path": PLACE, **describe_url(data, params["source"].get("allow_hosts") or ())}
    catalogue, path = read_catalogue(), here / data
    named = {name: entry for name, entry in catalogue.items() if "path" not in settings_of(entry)}
    if data in named and not path.exists():
        kept = {key: value for key, value in params["source"].items() if key in settings_of(named[data])}
        return {**kept, "name": data, "path": PLACE}
    if not path.exists():
        near = nearest(data, sorted(named), "the catalogue of sources")
        raise ConfigError(f"--data {data}: there is no such folder or table, and no source of that name. {near}")
    return describe_path(path)


def _number(said: str) -> tuple[str, Any]:
    """Return key and value of `KEY=VALUE`; None as value takes an override back."""
    key, equals, text = said.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {said} has no '=': give a key and a value, such as --set training.steps=500.")
    try:
        value = YAML(typ="safe").load(text) if text else None
    except YAMLError as err:
        raise ConfigError(f"--set {said}: {text!r} is no value that YAML knows. Quote it for the shell.") from err
    head = key.split(".")[0]
    own = [field.name for field in fields(Params)]
    if head in OVERRIDABLE:
        return f"overrides.{key}", value
    if head in own:
        return key, value
    near = difflib.get_close_matches(head, [*OVERRIDABLE, *own], n=1, cutoff=0)[0]
    raise ConfigError(
        f"--set {said}: there is no {head!r}. A key begins with {', '.join(OVERRIDABLE)} (numbers of the recipe and scale) "
        f"or {', '.join(own)} (of params.yaml); did you mean {near}{key[len(head) :]}?"
    )


def _put(params: Any, key: str, value: Any) -> str | None:
    """Set a dotted key; return how the new value reads, or None when it stood so already."""
    *above, last = key.split(".")
    passed = []
    for name in above:
        if not isinstance(params.get(name), dict):
            params[name] = {}
        passed.append((params, name))
        params = params[name]
    if value is None and key.startswith("overrides."):
        if above == ["overrides"]:
            said, params[last] = params.get(last) or None, {}  # DVC wants every section to be there
        else:
            said = params.pop(last, None)
            for holding, name in reversed(
                passed[2:]
            ):  # a section as it was before, so that DVC has what came of it then
                if not holding[name]:
                    del holding[name]
        return "the recipe's own" if said is not None else None
    if last in params and params[last] == value:
        return None
    if isinstance(value, dict) and isinstance(params.get(last), dict):  # in place, so that its comments stay
        for gone in [name for name in params[last] if name not in value]:
            del params[last][gone]
        params[last].update(value)
    else:
        params[last] = value
    return str(value)
