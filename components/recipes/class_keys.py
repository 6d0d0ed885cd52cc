"""The keys of `init_args`, held against the classes they are for, before anything is built."""

import importlib
import inspect

from components.contracts.errors import ConfigError
from components.recipes.section import ALLOWED, unknown
from components.recipes.yaml_lines import Document


def check_keys(document: Document, key: str, section: object) -> None:
    """Raise ConfigError, with line and nearest name, for a key of `init_args` that the class does not take."""
    if not isinstance(section, dict):
        return
    if "class_path" in section:
        known = parameters(str(section["class_path"]), document, key)
        for name in section.get("init_args") or {}:
            if name not in known:
                raise unknown(
                    document, f"{key}.init_args.{name}", name, known, str(section["class_path"]).rpartition(".")[2]
                )
    for name, value in section.items():
        check_keys(document, f"{key}.{name}", value)


def parameters(class_path: str, document: Document, key: str) -> list[str]:
    """Return the names a class takes. Raises ConfigError for a class that is not there or may not be imported."""
    module, _, name = class_path.rpartition(".")
    where = document.at(f"{key}.class_path")
    if module.split(".")[0] not in ALLOWED:
        raise ConfigError(f"{where}: {class_path} may not be imported; a recipe names only {', '.join(ALLOWED)}.")
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"{where}: there is no {class_path} ({err}). Correct the class_path.") from err
