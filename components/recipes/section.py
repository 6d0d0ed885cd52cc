"""From YAML to typed values: types are checked, and only our, torch's and timm's names are imported."""

import difflib
from dataclasses import fields
from typing import TypeVar

from jsonargparse import ArgumentParser, set_parsing_settings

from components.contracts.errors import ConfigError
from components.recipes.yaml_lines import Document

ALLOWED = ("components", "torch", "timm")  # a recipe is code: nothing else may be imported by its word
Built = TypeVar("Built")


def build(section: object, base: type[Built]) -> Built:
    """Return the object that a `class_path`/`init_args` mapping, or a dataclass's mapping, describes.

    Raises ConfigError when a type does not fit or the class is not a `base`.
    """
    set_parsing_settings(
        import_path_allowlist=list(ALLOWED), import_path_denylist=["*"]
    )  # both, or all else is allowed
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


def section(document: Document, key: str, kind: type[Built]) -> Built:
    """Return one section as its dataclass; an unknown key raises with line and nearest name."""
    values = (document.values[key] if key else document.values) or {}
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise unknown(
                document, f"{key}.{name}" if key else name, name, known, f"the section {key!r}" if key else "a scale"
            )
    try:
        return build(values, kind)
    except ConfigError as err:
        raise ConfigError(f"{document.at(key)}: {err}") from err


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
