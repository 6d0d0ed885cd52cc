"""The keys of `init_args`, held against the classes they are for, before anything is built."""

import importlib
import inspect
from collections.abc import Iterable

from components.contracts.errors import ConfigError
from components.recipes.section import ALLOWED, unknown
from components.recipes.yaml_lines import Document


def check_keys(document: Document, key: str, section: object) -> None:
    """Raise ConfigError, with line and nearest name, for a key of `init_args` that the class does not take."""
    if not isinstance(section, dict):
        return
    if "class_path" in section:
        known = parameters(str(section["class_path"]), document.at(f"{key}.class_path"))
        check_arguments(document, f"{key}.init_args", section.get("init_args") or {}, known, section["class_path"])
    for name, value in section.items():
        check_keys(document, f"{key}.{name}", value)


def check_arguments(
    document: Document, key: str, arguments: Iterable[str], known: Iterable[str], class_path: str
) -> None:
    """Raise ConfigError, with line and nearest name, for an argument that is not among the known ones."""
    for name in arguments:
        if name not in known:
            raise unknown(document, f"{key}.{name}", name, known, class_path.rpartition(".")[2])


def parameters(class_path: str, where: str) -> list[str]:
    """Return the names a class takes. Raises ConfigError for a class that is not there or may not be imported."""
    module, _, name = class_path.rpartition(".")
    if module.split(".")[0] not in ALLOWED:
        raise ConfigError(f"{where}: {class_path} may not be imported; a recipe names only {', '.join(ALLOWED)}.")
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"{where}: there is no {class_path} ({err}). Correct the class_path.") from err
