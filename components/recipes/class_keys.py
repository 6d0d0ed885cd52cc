"""The keys of `init_args`, held against the classes they are for, before anything is built."""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin

from components.contracts.errors import ConfigError
from components.recipes.section import ALLOWED, built, check_fields, unknown
from components.recipes.yaml_lines import Document


def check_keys(document: Document, key: str, section: object) -> None:
    """Raise ConfigError, with line and nearest name, for a key of `init_args` that the class does not take.

    What the class wants as a dataclass is looked into as well.
    """
    if not isinstance(section, dict):
        return
    if "class_path" in section:
        known = parameters(str(section["class_path"]), document.at(f"{key}.class_path"))
        given, below = section.get("init_args") or {}, f"{key}.init_args"
        check_arguments(document, below, given, known, section["class_path"])
        for name, kind in known.items():
            for one in get_args(kind) or (kind,):  # X | None has both
                if is_dataclass(one) and isinstance(given.get(name), Mapping):
                    check_fields(document, f"{below}.{name}", given[name], one)
    for name, value in section.items():
        check_keys(document, f"{key}.{name}", value)


def built_parts(document: Document, key: str, section: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Build each class that `init_args` name at any depth, the innermost first, and return it with the key it stands under.

    The section's own class, which is a training's whole method, is not built. Raises ConfigError with the line of the number
    that a part refuses.
    """
    kinds, parts = parameters(str(section["class_path"]), document.at(f"{key}.class_path")), []
    for name, value in (section.get("init_args") or {}).items():
        if isinstance(value, Mapping) and "class_path" in value:
            below = f"{key}.init_args.{name}"
            parts += built_parts(document, below, value)
            if get_origin(kinds[name]) is Callable:  # the class is given more when it is made, such as the model
                continue
            kind = next(one for one in (get_args(kinds[name]) or (kinds[name],)) if isinstance(one, type))
            parts.append((below, built(document, below, value, kind)))
    return parts


def check_arguments(
    document: Document, key: str, arguments: Iterable[str], known: Iterable[str], class_path: str
) -> None:
    """Raise ConfigError, with line and nearest name, for an argument that is not among the known ones."""
    for name in arguments:
        if name not in known:
            raise unknown(document, f"{key}.{name}", name, known, class_path.rpartition(".")[2])


def parameters(class_path: str, where: str) -> dict[str, object]:
    """Return what a class takes, name -> annotation.

    Raises ConfigError, with the nearest name, for a class that is not there or may not be imported.
    """
    module, _, name = class_path.rpartition(".")
    if module.split(".")[0] not in ALLOWED:
        raise ConfigError(f"{where}: {class_path} may not be imported; a recipe names only {', '.join(ALLOWED)}.")
    try:
        taken = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        return {argument: one.annotation for argument, one in taken.items()}
    except (ImportError, AttributeError) as err:
        hint = f" Did you mean {near}?" if (near := _nearest(class_path)) else ""
        raise ConfigError(f"{where}: there is no {class_path} ({err}). Correct the class_path.{hint}") from err


def _nearest(class_path: str) -> str | None:
    """Return the class path that was most likely meant: of the module, or of the modules beside it."""
    module = class_path.rpartition(".")[0]
    within = difflib.get_close_matches(module, _modules(module.rpartition(".")[0]), n=1)
    known = []
    for path in (*within, *_modules(module)):
        classes = inspect.getmembers(importlib.import_module(path), inspect.isclass)
        known += [f"{path}.{found}" for found, kind in classes if kind.__module__ == path]
    return next(iter(difflib.get_close_matches(class_path, known, n=1)), None)


def _modules(package: str) -> list[str]:
    """Return the modules in a package of ours; [] where it is none."""
    try:
        places = importlib.import_module(package).__path__ if package.split(".")[0] == "components" else []
    except (ImportError, AttributeError):
        return []
    return [f"{package}.{one.name}" for one in pkgutil.iter_modules(places)]
