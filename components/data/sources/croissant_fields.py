"""The fields of a Croissant description: in which file each lies, how it is taken from there, and which field of another file it equals.

Source: MLCommons Croissant 1.0 and 1.1, http://mlcommons.org/croissant/1.0. Names in the JSON are read as the standard context has them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError

MAX_JSON_BYTES = 2**28
_PATH = re.compile(r"(?:\$\.?)?(\[\*\])?\.?(\w+)?")  # of those that JSONPath knows: $[*].text, $.text, $[*], text


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How a value is taken from a row of a table, or from a file of a set.

    Args:
        source: identifier of the file or the set of files.
        column: of a table; empty for a set of files.
        of_file: content, filename, filepath or fullpath; empty for a table.
        regex: whose first group is the value; json_path: within it.
    """

    source: str
    column: str = ""
    of_file: str = ""
    regex: str = ""
    json_path: str = ""

    def value(self, found: Any) -> Any:
        """Return what is meant of what stands in the column, or of what the file is called."""
        if self.json_path:
            shape = _PATH.fullmatch(self.json_path)
            assert shape
            many = found if shape[1] and isinstance(found, list) else [found]
            inside = [one.get(shape[2]) if shape[2] and isinstance(one, Mapping) else one for one in many]
            found = inside if shape[1] else inside[0]
        if self.regex and isinstance(found, str):
            matched = re.search(self.regex, found)
            return (matched[1] if matched.re.groups else matched[0]) if matched else None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a record set; `equals` is what its `references` name."""

    name: str
    picture: bool
    taken: Taken
    equals: Taken | None = None


def read_description(path: Path) -> dict[str, Any]:
    """Return the JSON-LD of a file. DataError unless it describes files and record sets."""
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise DataError(f"{path} has {size:,} bytes; at most {MAX_JSON_BYTES:,} of metadata are read.")
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise DataError(f"{path} cannot be read as JSON-LD ({err}). Fetch or write it again.") from err
    said = {str(name).removeprefix("cr:"): value for name, value in said.items()} if isinstance(said, dict) else {}
    if not each(said, "distribution") or not each(said, "recordSet"):
        raise DataError(
            f"{path} has no distribution and recordSet, so it is no description of data as Croissant has it."
        )
    return said


def each(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return what stands under a name, one or several, as a list."""
    value = said.get(name)
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Mapping)]


def id_of(value: Any) -> str:
    """Return the identifier that a reference names; empty where it names none."""
    return str(value.get("@id", "")) if isinstance(value, Mapping) else str(value or "")


def fields_of(said: Mapping[str, Any]) -> dict[str, Field]:
    """Return the fields that lie in files, by their names; by their identifiers where several record sets have one of that name.

    Of fields of one name that are equal by a reference, the one that refers has the name.
    """
    nodes = {id_of(node): node for record in each(said, "recordSet") for node in each(record, "field")}
    names = [str(node.get("name") or key.rpartition("/")[2]).rpartition("/")[2] for key, node in nodes.items()]
    found: dict[str, Field] = {}
    for (key, node), name in zip(nodes.items(), names, strict=True):
        refers = any(id_of(one.get("field") or one).rpartition("/")[2] == name for one in each(node, "references"))
        called = key if names.count(name) > 1 and (not refers or name in found) else name
        if (taken := _taken(node.get("source"), called)) is None:
            continue
        kinds = node.get("dataType")
        picture = any("ImageObject" in str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds]))
        found[called] = Field(name=called, picture=picture, taken=taken, equals=_equals(node, nodes, called))
    return found


def _equals(node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], name: str) -> Taken | None:
    said = next(iter(each(node, "references")), None)
    if said is None:
        return None
    other = nodes.get(id_of(said.get("field") or said))
    return _taken(other.get("source") if other is not None else said, name)


def _taken(source: Any, name: str) -> Taken | None:
    if not isinstance(source, Mapping):
        return None
    where = next((id_of(source[one]) for one in ("fileObject", "fileSet", "distribution") if one in source), "")
    extract = next(iter(each(source, "extract")), {})
    change = {what: str(its) for one in each(source, "transform") for what, its in one.items()}
    more = (change.keys() | extract.keys()) - {"@type", "@id", "regex", "jsonPath", "column", "fileProperty"}
    if more or ("jsonPath" in extract) or not _PATH.fullmatch(change.get("jsonPath", "")):
        raise ConfigError(
            f"the field {name!r} is taken by {', '.join(sorted(more)) or 'a jsonPath'}, which is not read. Columns, file properties, regex "
            "and paths such as $[*].text are; write a table of captions with that column."
        )
    try:
        re.compile(change.get("regex", ""))
    except re.error as err:
        raise ConfigError(f"the field {name!r} has a regex that is none ({err}). Mend it in the description.") from err
    of_file = "" if extract.get("column") else str(extract.get("fileProperty") or "content")
    return Taken(
        source=where, column=str(extract.get("column") or ""), of_file=of_file, regex=change.get("regex", ""),
        json_path=change.get("jsonPath", ""),
    ) if where else None  # fmt: skip


def links(fields: Mapping[str, Field], one: str, other: str) -> Iterator[tuple[Taken, Taken]]:
    """Yield pairs that are equal where a row of one source belongs to one of another."""
    for field in fields.values():
        if field.equals is not None and {field.taken.source, field.equals.source} == {one, other}:
            yield (field.taken, field.equals) if field.taken.source == one else (field.equals, field.taken)
