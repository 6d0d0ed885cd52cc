"""Indexes of one's own: where the pictures of each are, and its vectors, a file for each space.

`.diptych/index/<name>/source.json` is the record, `<space>.parquet` the vectors as `embed_all` writes them. Vectors of two spaces never share
a file, so a model and its indexes are switched together: whoever serves a version opens the files of its space.
`<space>.borrows.json` stands in for such a file where texts of one space have been shown to find what they should among vectors of another.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError, StaleArtifact

SPACE, MODEL = b"diptych.space", b"diptych.model"  # of a file's metadata: what its vectors may be compared with
PACKAGE = "package"  # names the index that a model brings along
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
_FILE = re.compile(r"[0-9a-f]{64}\.parquet")
REMEDY = "Make it again: diptych index PICTURES --name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an index is of.

    Args:
        name: of the index.
        said: where its pictures are: an absolute path, a URL or a source of the catalogue.
        digest: sha256 over key, sha256 and words of every sample that came in, in their order.
        rows: how many came in, broken ones among them.
        made_at: ISO 8601, UTC.
    """

    name: str
    said: str
    digest: str
    rows: int
    made_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed:
    """Vectors of another model that the texts of one may be compared with.

    Args:
        space: of the vectors.
        label: the version that they are of, such as clip@3.
    """

    space: str
    label: str


def checked_name(name: str) -> str:
    """Return a name that an index can have. ConfigError for another."""
    if not is_name(name):
        raise ConfigError(
            f"{name[:60]!r} cannot name an index. Use small letters, digits, '_' and '-', at most 50; {PACKAGE} is the name of the one that a "
            "model brings along, list and remove are commands."
        )
    return name


def is_name(name: str) -> bool:
    """Return whether an index may be called so."""
    return bool(_NAME.fullmatch(name)) and name not in (PACKAGE, "list", "remove")


def index_folder(root: Path, name: str) -> Path:
    """Return the folder of an index, there or not."""
    return root.resolve() / ".diptych" / "index" / name


def index_file(root: Path, name: str, space: str) -> Path:
    """Return where the vectors of an index lie that are of a space, there or not."""
    return index_folder(root, name) / f"{space}.parquet"


def borrow(root: Path, name: str, space: str, of: Borrowed) -> None:
    """Have texts of a space search an index by vectors of another, until it has vectors of their own."""
    path = _borrows(root, name, space)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(asdict(of), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def borrowed(root: Path, name: str, space: str) -> Borrowed | None:
    """Return whose vectors of an index the texts of a space search; None where they have their own, or nothing. StaleArtifact where nobody can read it."""
    path = _borrows(root, name, space)
    if index_file(root, name, space).exists():
        return None
    try:
        return Borrowed(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as err:
        raise StaleArtifact(
            f"{path} cannot be read ({type(err).__name__}), so it is unknown by which vectors the index is searched. {REMEDY} {name}"
        ) from err


def _borrows(root: Path, name: str, space: str) -> Path:
    return index_folder(root, name) / f"{space}.borrows.json"


def read_record(root: Path, name: str) -> Record | None:
    """Return what an index is of; None where there is none of that name. StaleArtifact where nobody can read it."""
    path = index_folder(root, name) / "source.json"
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as err:
        raise StaleArtifact(
            f"{path} cannot be read ({type(err).__name__}), so it is unknown which pictures it is of. {REMEDY} {name}"
        ) from err


def write_record(root: Path, record: Record) -> None:
    """Write the record so that a reader sees the old one or the new one."""
    path = index_folder(root, record.name) / "source.json"
    partial = path.with_name(f"source.json.{os.getpid()}")
    partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def names(root: Path) -> list[str]:
    """Return how the indexes of a workspace are called."""
    return sorted(path.parent.name for path in index_folder(root, "").glob("*/source.json"))


def records(root: Path) -> list[Record]:
    """Return every index of a workspace, by name; errors as of `read_record`."""
    return [record for name in names(root) if (record := read_record(root, name)) is not None]


def spaces_of(root: Path, name: str) -> list[str]:
    """Return the spaces that an index has vectors of."""
    return sorted(path.stem for path in index_folder(root, name).glob("*.parquet") if _FILE.fullmatch(path.name))


def space_of(path: Path) -> str:
    """Return which space the vectors of a file are of, as the file says it. StaleArtifact where it does not."""
    try:
        said = (pq.read_schema(path).metadata or {}).get(SPACE)
    except (pa.ArrowException, OSError) as err:
        raise StaleArtifact(f"{path} cannot be read ({type(err).__name__}: {err}).") from err
    if said is None:
        raise StaleArtifact(
            f"{path} does not say which space its vectors are of, so nothing may be compared with them."
        )
    return str(said.decode())


def digest_of(path: Path) -> tuple[str, int]:
    """Return the digest of what came in to a file of vectors, as Record has it, and how many rows that were."""
    seen, rows = hashlib.sha256(), 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["key", "sha256", "text"]):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                seen.update(json.dumps(row).encode())
            rows += len(batch)
    return seen.hexdigest(), rows


def is_current(root: Path, record: Record, space: str) -> bool:
    """Return whether an index has vectors of a space, and of the pictures that its record is of."""
    path = index_file(root, record.name, space)
    return path.exists() and space_of(path) == space and digest_of(path)[0] == record.digest


def remove_index(root: Path, name: str) -> None:
    """Take an index away, its record first, so that what is killed half-way is no index any more. ConfigError where there is none."""
    folder = index_folder(root, checked_name(name))
    if not folder.exists():
        known = ", ".join(one.name for one in records(root))
        raise ConfigError(
            f"there is no index {name!r}. There {f'is {known}' if known else 'are none'}: diptych index list"
        )
    (folder / "source.json").unlink(missing_ok=True)
    shutil.rmtree(folder)


def prune(root: Path, spaces: Collection[str]) -> int:
    """Take away the files of all other spaces, of what was begun too, but for what these borrow; return how many files of vectors those were."""
    removed = 0
    lent = set()
    for name in names(root):
        for space in spaces:
            with suppress(StaleArtifact):  # whoever searches by it is told
                if (of := borrowed(root, name, space)) is not None:
                    lent.add(of.space)
    for path in index_folder(root, "").glob("*/*"):
        space = path.name.partition(".")[0]
        if len(space) != 64 or space in spaces or space in lent:
            continue
        removed += bool(_FILE.fullmatch(path.name))
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return removed
