"""From `class_path` and `init_args` to objects: types are checked, and only our, torch's and timm's names are imported."""

import difflib
import importlib
import inspect
from typing import Any, TypeVar

from jsonargparse import ArgumentParser, set_parsing_settings

from components.contracts.errors import ConfigError
from components.recipes.yaml_lines import Document

ALLOWED = ("components", "torch", "timm")  # a recipe is code: nothing else may be imported by its word
Built = TypeVar("Built")


def build(section: object, base: type[Built]) -> Built:
    """Return the object that a `class_path`/`init_args` mapping, or a dataclass's mapping, describes.

    Raises ConfigError when a type does not fit or the class is not a `base`.
    """
    set_parsing_settings(import_path_allowlist=list(ALLOWED), import_path_denylist=["*"])  # both, or all else is allowed
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=base)
    try:
        return parser.instantiate(parser.parse_object({"value": section})).value
    except ConfigError:
        raise
    except Exception as err:  # jsonargparse wraps what constructors raise in errors of its own
        cause = _config_error(err)
        if cause is not None:
            raise cause from err
        raise ConfigError(f"{base.__name__} cannot be built: {err}. Mend the recipe where it names a key.") from err


def check_keys(document: Document, key: str, section: object) -> None:
    """Raise ConfigError, with line and nearest name, for a key of `init_args` that the class does not take."""
    if not isinstance(section, dict):
        return
    if "class_path" in section:
        known = parameters(str(section["class_path"]), document, key)
        for name in section.get("init_args") or {}:
            if name not in known:
                raise unknown(document, f"{key}.init_args.{name}", name, known, str(section["class_path"]).rpartition(".")[2])
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


def unknown(document: Document, key: str, name: str, known: list[str], owner: str) -> ConfigError:
    """Return the error for a key that `owner` does not take."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return ConfigError(
        f"{document.at(key)}: {owner} takes no {name!r}. Ignoring it would run with other numbers and look fine. "
        f"It takes {', '.join(known) or 'nothing'}.{hint}"
    )


def _config_error(err: BaseException | None) -> ConfigError | None:
    """Return the ConfigError that a constructor of ours raised, if that is what went wrong."""
    while err is not None:
        if isinstance(err, ConfigError):
            return err
        err = err.__cause__ or err.__context__
    return None
