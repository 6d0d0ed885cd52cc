"""From YAML to typed values: types are checked, and only our, torch's and timm's names are imported."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin

from jsonargparse import ArgumentParser, set_parsing_settings

from components.contracts.errors import ConfigError
from components.recipes.yaml_lines import Document

ALLOWED = ("components", "torch", "timm")  # a recipe is code: nothing else may be imported by its word
Built = TypeVar("Built")
_REASONS = (  # what jsonargparse says, and how we say it
    (r"Expected a <class '([\w.]+)'>. Got value: (.*)", "It is {1!r}, but must be of type {0}."),
    (r"Expected a typing\.Literal\[(.*?)\]\. Got value: (.*)", "It is {1!r}, but must be one of {0}."),
    (r"Expected a (\S+)\. Got value: (.*)", "It is {1!r}, but must be {0}."),
    (r"Import path (\S+) does not correspond to a subclass of (\w+)", "{0} is no {1}. Name a class that is one."),
    (
        r"Expected an instantiatable class, but (\S+) is abstract",
        "{0} is only a base. Name a class that is one of its kind.",
    ),
    (r"arguments? (?:is|are) required: (.*)", "It lacks {0}. Add it."),
)


def build(section: object, base: type[Built]) -> Built:
    """Return the object that a `class_path`/`init_args` mapping, or a dataclass's mapping, describes.

    Raises ConfigError when a type does not fit or the class is not a `base`.
    """
    parser = _parser(base)
    try:
        return parser.instantiate(parser.parse_object({"value": section})).value
    except ConfigError:
        raise
    except Exception as err:  # jsonargparse wraps what constructors raise in errors of its own
        cause = _config_error(err)
        if cause is not None:
            raise cause from err
        raise ConfigError(f"{base.__name__} cannot be built: {err}. Mend the recipe where it names a key.") from err


def built(document: Document, key: str, values: object, base: type[Built]) -> Built:
    """Return the same, of what stands under a key; ConfigError, with the line, from a constructor that looks at its numbers.

    Such an error begins with the name of the argument, or with its path.
    """
    try:
        return build(values, base)
    except ConfigError as err:
        given = values if isinstance(values, Mapping) else {}
        below, given = (f"{key}.init_args", given.get("init_args") or {}) if "class_path" in given else (key, given)
        wrong = str(err).partition(" ")[0]
        place = _below(below, wrong) if wrong.partition(".")[0] in given else key
        raise ConfigError(f"{document.at(place)}: {err}") from err


def _parser(base: type) -> ArgumentParser:
    set_parsing_settings(
        import_path_allowlist=list(ALLOWED), import_path_denylist=["*"]
    )  # both, or all else is allowed
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=base)
    return parser


def fits(document: Document, key: str, values: object, base: type) -> None:
    """Raise ConfigError, with the line, when `values`, which stand under `key`, could not be built into a `base`.

    Only types are looked at, at any depth of `class_path`/`init_args`; nothing is built.
    """
    try:
        _parser(base).parse_object({"value": values})
    except Exception as err:  # jsonargparse nests its reasons; the innermost says what a person can mend
        first, *deeper = re.findall(r'Parser key "([\w.]+)"', str(err)) or ["value"]
        named = [*filter(None, [key]), *first.split(".")[1:]]
        key = ".init_args.".join([".".join(named), *deeper])
        place = document.at(f"{key}.class_path" if re.search("Import path|abstract", str(err)) else key)
        raise ConfigError(f"{place}: {'.'.join([*named, *deeper])} does not fit. {_innermost(str(err))}") from err


def _innermost(said: str) -> str:
    """Return the reason below all others, in our words."""
    for pattern, ours in _REASONS:
        if found := re.search(pattern, said):
            return ours.format(*found.groups())
    return said.strip().splitlines()[-1].strip()


def section(document: Document, key: str, kind: type[Built]) -> Built:
    """Return one section, or with an empty key the whole file, as its dataclass.

    Raises ConfigError with the line, and for a key that is not known at any depth with the nearest name.
    """
    values = mapping(document, key) if key else document.values
    check_fields(document, key, values, kind)
    fits(document, key, values, kind)
    return built(document, key, values, kind)


def mapping(document: Document, key: str) -> dict[str, Any]:
    """Return what stands under a key, {} for null; ConfigError when it is no mapping."""
    return _mapping(document, key, document.values[key])


def _mapping(document: Document, key: str, values: object) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{document.at(key)}: {key} is {values!r}, but must be names with values. Give it keys.")
    return values


def check_fields(document: Document, key: str, values: Mapping[str, Any], kind: Any) -> None:
    """Raise ConfigError for a key that the dataclass, or a dataclass in it, has no field for."""
    known = {field.name: field.type for field in fields(kind)}
    for name, value in values.items():
        below = _below(key, name)
        if name not in known:
            raise unknown(document, below, name, known, f"the section {key!r}" if key else "the file")
        if is_dataclass(known[name]):
            check_fields(document, below, _mapping(document, below, value), known[name])
        elif get_origin(known[name]) is dict and is_dataclass(of := get_args(known[name])[1]):
            for one, inner in _mapping(document, below, value).items():
                check_fields(document, _below(below, one), _mapping(document, _below(below, one), inner), of)


def _below(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def unknown(document: Document, key: str, name: object, known: Iterable[str], owner: str) -> ConfigError:
    """Return the error for a key that `owner` does not take."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return ConfigError(
        f"{document.at(key)}: {owner} takes no {name!r}. Ignoring it would run with other numbers and look fine. "
        f"It takes {', '.join(names) or 'nothing'}.{hint}"
    )


def _config_error(err: BaseException | None) -> ConfigError | None:
    """Return the ConfigError that a constructor of ours raised, if that is what went wrong."""
    while err is not None:
        if isinstance(err, ConfigError):
            return err
        err = err.__cause__ or err.__context__
    return None
