"""The pictures that a model learnt from, and by what optimizer: where its workspace has them as they were, or where they were laid in beside it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError
from components.contracts.sealed import digest_of, sha256_of
from components.data.manifest import read_manifest, write_manifest
from components.data.selection import Pool, of_split
from components.data.versions.repacked import repack
from components.recipes.section import build
from components.stages.learnt_in_run import LearntInRun
from components.stages.recalled import held
from components.training.numbers import Optimisation

LEARNT = "learnt"  # the folder beside a model that was laid in
MANIFEST, SAID = "manifest.parquet", "learnt.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a model learnt from.

    Args:
        selection: where it was selected, from the workspace that trained the model.
        manifest: of that selection.
        raw: the folder that its shards are in.
        optimisation: the numbers of the optimizer; None where nobody knows.
        origin: by what lineage finds the selection, as of LearntInRun.
    """

    selection: str
    manifest: Path
    raw: Path
    optimisation: Optimisation | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Path) -> "Learnt | None":
        """Return that of the folder of a model; None where nothing was laid in beside it, and as of LearntInRun.of.

        Raises DataError as of that, and for what was laid in and cannot be read.
        """
        if (model / LEARNT).is_dir():
            return cls._laid(model / LEARNT)
        run = LearntInRun.of(model)
        if run is None:
            return None
        return cls(
            selection=run.selection, manifest=run.root / run.selection / MANIFEST, raw=run.root / "data/raw",
            optimisation=run.optimisation(), origin=run.origin(),
        )  # fmt: skip

    @property
    def count(self) -> int:
        """How many samples there are, of which `pictures` may draw."""
        return len(self._rows())

    def pictures(self) -> Pool:
        """Return those that training was given, held in memory, as many as general pictures may be; DataError where none can be read."""
        return held(self._rows(), self.raw)

    def licences(self, keys: Sequence[str]) -> dict[str, int]:
        """Return how many of the pictures of these keys have each licence, the most frequent first."""
        rows = self._rows()
        of = rows.filter(pc.is_in(rows["key"], value_set=pa.array(keys, pa.string())))
        return dict(Counter(of["licence"].to_pylist()).most_common())

    def lay(self, folder: Path) -> None:
        """Write them into a folder that is not there, and what else is known of them; DataError where one is not as it was."""
        (folder / "train").mkdir(parents=True)
        keys = pa.array(self.pictures().keys, pa.string())
        rows = self._rows()
        rows = rows.filter(pc.is_in(rows["key"], value_set=keys)).sort_by(
            [("shard", "ascending"), ("offset", "ascending")]
        )
        offsets = [
            at
            for shard, its in _by_shard(rows.to_pylist()).items()
            for at in repack(self.raw / shard, folder / shard, its)
        ]
        place = rows.schema.get_field_index("offset")
        write_manifest(
            rows.set_column(place, rows.schema.field(place), pa.array(offsets, rows.schema.field(place).type)),
            folder / MANIFEST,
        )
        said = {
            "selection": self.selection, "origin": dict(self.origin),
            "optimisation": self.optimisation and asdict(self.optimisation),
        }  # fmt: skip
        (folder / SAID).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")

    def _rows(self) -> pa.Table:
        return of_split(read_manifest(self.manifest), "train")

    @classmethod
    def _laid(cls, folder: Path) -> "Learnt":
        try:
            said = json.loads((folder / SAID).read_text(encoding="utf-8"))
            numbers = said["optimisation"]
            return cls(
                selection=said["selection"], origin=said["origin"], manifest=folder / MANIFEST, raw=folder,
                optimisation=None if numbers is None else build(numbers, Optimisation),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise DataError(
                f"{folder / SAID} cannot be read ({type(err).__name__}: {err}). Delete {folder}, and adapt again."
            ) from err


def digest_in(folder: Path) -> str:
    """Return the first digits of a digest of what was laid in, by which a race knows it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_of({path.relative_to(folder).as_posix(): sha256_of(path) for path in files})[:12]


def _by_shard(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["shard"], []).append(row)
    return found
