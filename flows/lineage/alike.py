"""Whether what a stage wrote is what it wrote before: to the bit, or else what differs and how far.

How long something took, and pages and pictures for people, which say so, are no part of a result. Everything else is.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOR_PEOPLE = (".html", ".md", ".svg", ".png")
LEFT_OUT = ("manifest.json",)  # of a package: it says under what it was made
TOOK = ("timing", "seconds", "cpu_s")  # keys of JSON below which it is said how long something took
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """A folder beside what it was.

    Args:
        files: how many were compared.
        differ: name -> how it differs.
        unknown: files of which nobody has kept what they were.
    """

    files: int = 0
    differ: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether all that was compared is equal, and something was."""
        return not self.differ and self.files > 0


def alike(folder: Path, hashes: Mapping[str, str], places: Mapping[str, Path], by: str = "md5") -> Alike:
    """Hold a folder against the hashes of what it was.

    Args:
        places: where the files lie that it was, those there still are.
        by: how they were hashed.
    """
    names = _counting(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    wanted, unknown = _counting(hashes), []
    differ = dict.fromkeys(sorted(wanted - names), "is not there any more")
    differ |= dict.fromkeys(sorted(names - wanted), "was not there before")
    for name in sorted(wanted & names):
        if hashed(folder / name, by) == hashes[name]:
            continue
        if name not in places:
            if name.endswith(".json"):
                unknown.append(name)  # it may say how long something took, and nothing else
                continue
            differ[name] = "has other bytes"
        elif how := _how(folder / name, places[name]):
            differ[name] = how
    return Alike(files=len(wanted), differ=differ, unknown=tuple(unknown))


def _counting(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.endswith(FOR_PEOPLE) and name not in LEFT_OUT}


def hashed(path: Path, by: str) -> str:
    """Return the hash of a file's bytes, in hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.new(by, usedforsecurity=False)).hexdigest()


def _how(now: Path, before: Path) -> str:
    """Return how a file differs whose bytes do; "" where that is no part of a result."""
    if now.suffix == ".safetensors":
        return weights(now, before)
    if now.suffix == ".json":
        return _in_json(_read(now), _read(before))
    if now.suffix == ".parquet":
        return _in_rows(now, before)
    return "has other bytes"


def weights(now: Path, before: Path) -> str:
    """Return how far two files of tensors are from each other; "" where all are equal to the bit."""
    import numpy as np
    from safetensors import safe_open

    with safe_open(now, "np") as ours, safe_open(before, "np") as theirs:
        if set(ours.keys()) != set(theirs.keys()):
            return f"has other tensors: {', '.join(sorted(set(ours.keys()) ^ set(theirs.keys()))[:_NAMED])}"
        furthest, where, moved, names = 0.0, "", 0, sorted(ours.keys())
        for name in names:
            one, other = ours.get_tensor(name), theirs.get_tensor(name)
            if one.shape != other.shape or one.dtype != other.dtype:
                return f"has {name} as {one.dtype} {one.shape}, before {other.dtype} {other.shape}"
            if one.tobytes() == other.tobytes():
                continue
            moved += 1
            far = float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())
            if not where or not far <= furthest:  # a NaN is far from everything
                furthest, where = far, name
    return f"{moved} of {len(names)} tensors differ, by {furthest:.1e} at most ({where})" if moved else ""


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _in_json(now: Any, before: Any) -> str:
    ours, theirs = dict(_flat(now)), dict(_flat(before))
    other = [name for name in sorted(ours.keys() | theirs.keys()) if not _same(ours.get(name), theirs.get(name))]
    if not other:
        return ""
    said = [f"{name} {theirs.get(name)} before, {ours.get(name)} now" for name in other[:_NAMED]]
    return f"{len(other)} of {len(ours)} values differ: {'; '.join(said)}"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return type(one) is type(other) and bool(one == other)


def _flat(said: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(said, dict):
        return [pair for key, its in said.items() if key not in TOOK for pair in _flat(its, f"{name}.{key}".strip("."))]
    if isinstance(said, list):
        return [pair for at, its in enumerate(said) for pair in _flat(its, f"{name}.{at}".strip("."))]
    return [(name, said)]


def _in_rows(now: Path, before: Path) -> str:
    import pyarrow.parquet as pq

    ours, theirs = (pq.read_table(path, partitioning=None) for path in (now, before))
    if ours.schema.names != theirs.schema.names:
        return "has other columns"
    if len(ours) != len(theirs):
        return f"has {len(ours):,} rows, before {len(theirs):,}"
    other = [
        name for name in ours.schema.names if not ours[name].combine_chunks().equals(theirs[name].combine_chunks())
    ]
    return f"has other values in {', '.join(other[:_NAMED])}" if other else ""
