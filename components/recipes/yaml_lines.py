"""YAML with the line of every key, and no key twice: what a clear error needs and a plain loader throws away."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import ConfigError
from components.contracts.plain_yaml import with_exponents

MOST_KEYS = 100_000  # with what aliases unfold to; the largest of ours has some hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file.

    Args:
        path: where it lies.
        values: what it says.
        lines: dotted path of a key -> line, counted from 1.
        elsewhere: dotted path of a key that another file says -> where, such as `params.yaml, line 12`.
    """

    path: Path
    values: dict[str, Any]
    lines: dict[str, int]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def at(self, key: str) -> str:
        """Return `file.yaml, line 14` for a dotted key, or of the nearest key above it."""
        while key and key not in self.lines and key not in self.elsewhere:
            key = key.rpartition(".")[0]
        return self.elsewhere.get(key) or f"{self.path.name}, line {self.lines.get(key, 1)}"

    def laid_over(self, below: str, above: str) -> "Document":
        """Return the same, in which a key under `below` that `above` says too has the line where `above` says it."""
        moved = {below + key[len(above) :]: line for key, line in self.lines.items() if key.startswith(f"{above}.")}
        return replace(self, lines={**self.lines, **moved})

    def changed(self, section: str, values: Mapping[str, Any], by: "Document", under: str) -> "Document":
        """Return the same with `values`, which the document `by` has below the key `under`, laid over a section.

        An empty section means the whole file.
        """
        below = f"{section}." if section else ""
        said = {below + key[len(under) + 1 :]: by.at(key) for key in by.lines if key.startswith(f"{under}.")}
        old = self.values.get(section) or {} if section else self.values
        new = overlay(old, values)
        changed = {**self.values, section: new} if section else new
        return replace(self, values=changed, elsewhere={**self.elsewhere, **said})


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the values of `above` in place of its own, at any depth."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = overlay(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


class _Loader(yaml.SafeLoader):
    """Reads `off`, `on`, `yes` and `no` as the words that they are, as YAML 1.2 does, and so DVC."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML asks for a mapping of the class
        first: [(tag, words) for tag, words in kinds if tag != "tag:yaml.org,2002:bool"]
        for first, kinds in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
with_exponents(_Loader)


def read_yaml(path: Path) -> Document:
    """Read a mapping. Raises ConfigError when it is missing, no YAML, no mapping, says a key twice, or unfolds without end."""
    try:
        text = path.read_text(encoding="utf-8")
        node, values = yaml.compose(text, _Loader), yaml.load(text, _Loader)  # which is a safe one
        lines = dict(islice(_lines(node, "", path), MOST_KEYS + 1))
    except RecursionError as err:
        raise ConfigError(f"{path} is nested without end, or by an alias that holds itself. Write it out.") from err
    except FileNotFoundError as err:
        beside = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{path} does not exist. There are: {beside}.") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path} is not UTF-8 text: {err}. Save it as UTF-8.") from err
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        where = f"{path.name}, line {mark.line + 1}" if mark is not None else str(path)
        reason = getattr(err, "problem", None) or " ".join(str(err).split())
        raise ConfigError(f"{where}: this is not YAML: {reason}. Mend that place, or the one before it.") from err
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a mapping of names to values at its top level. Give it keys.")
    if len(lines) > MOST_KEYS:
        raise ConfigError(
            f"{path} has more than {MOST_KEYS:,} keys, with what its aliases unfold to. Write it without them."
        )
    return Document(path=path, values=values, lines=lines)


def _lines(node: yaml.Node | None, prefix: str, path: Path) -> Iterator[tuple[str, int]]:
    """Yield (dotted key, line) of every key below a node; a list's items are `key.0`, `key.1`, ..."""
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield f"{prefix}.{place}", item.start_mark.line + 1
            yield from _lines(item, f"{prefix}.{place}", path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in seen:
            raise ConfigError(
                f"{path.name}, line {line}: {key!r} stands here a second time; the first is in line {seen[key]}, and one "
                "of the two would be ignored. Keep one."
            )
        seen[key] = line
        dotted = f"{prefix}.{key}" if prefix else key
        yield dotted, line
        yield from _lines(value_node, dotted, path)
