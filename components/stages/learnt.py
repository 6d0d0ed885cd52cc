"""The pictures that a model learnt from, and by what optimizer: where its workspace has them as they were, or where they were laid in: before others took their place, or beside what is made once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError, StaleArtifact
from components.contracts.model_files import MODEL_FILES, model_digest
from components.contracts.sealed import check_files, digest_of, read_sealed, sha256_of
from components.data.manifest import read_manifest, write_manifest
from components.data.selection import Pool, of_split
from components.data.versions.repacked import repack
from components.recipes.section import build
from components.stages.learnt_in_run import LearntInRun
from components.stages.place import OWN, STARTS
from components.stages.recalled import held
from components.training.numbers import Optimisation

LEARNT = "data/learnt"  # of a workspace: by the digest of a model what that learnt from
MANIFEST, SAID = "manifest.parquet", "learnt.json"
BESIDE = "learnt"  # in the folder of a start that was made once, such as micro_clip


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a model learnt from.

    Args:
        selection: where it was selected, from the workspace that trained the model.
        manifest: of that selection.
        raw: the folder that its shards are in.
        owner: the workspace that has them; None where none has.
        optimisation: the numbers of the optimizer; None where nobody knows.
        views: what its training pictures went through, as a recipe has `main` of them; None where nobody knows.
    """

    selection: str
    manifest: Path
    raw: Path
    owner: Path | None = None
    optimisation: Optimisation | None = None
    views: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, model: Path, root: Path | None = None) -> "Learnt | None":
        """Return that of the folder of a model; None where a workspace has not laid it in, it does not lie beside a start that was made once, and as of LearntInRun.of.

        Args:
            root: a workspace that may have laid it in.

        Raises DataError as of LearntInRun.of, for what was laid in and cannot be read, and for a start that is not as it was made.
        """
        if root is not None and (laid := laid_at(root, model)) is not None and laid.is_dir():
            return cls._laid(laid, root)
        if (kept_in := _keeper_of(model)) is not None and (model / BESIDE / SAID).is_file():
            _check_sealed(model)
            return cls._laid(model / BESIDE, kept_in)
        run = LearntInRun.of(model)
        if run is None:
            return None
        return cls(
            selection=run.selection, manifest=run.root / run.selection / MANIFEST, raw=run.root / "data/raw", owner=run.root,
            optimisation=run.optimisation(), views=run.views(),
        )  # fmt: skip

    def pictures(self) -> Pool:
        """Return those that training was given, held in memory, as many as general pictures may be; DataError where none can be read."""
        return held(self._rows(), self.raw)

    def rows(self, keys: Sequence[str]) -> pa.Table:
        """Return the rows of the manifest with these keys."""
        rows = self._rows()
        return rows.filter(pc.is_in(rows["key"], value_set=pa.array(keys, pa.string())))

    def lay(self, folder: Path) -> None:
        """Write them into a folder that is not there, and what else is known of them; DataError where one is not as it was."""
        (folder / "train").mkdir(parents=True)
        rows = self.rows(self.pictures().keys).sort_by([("shard", "ascending"), ("offset", "ascending")])
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
            "selection": self.selection,
            "optimisation": self.optimisation and asdict(self.optimisation),
            **({} if self.views is None else {"views": self.views}),
        }
        (folder / SAID).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")

    def _rows(self) -> pa.Table:
        return of_split(read_manifest(self.manifest), "train")

    @classmethod
    def _laid(cls, folder: Path, owner: Path) -> "Learnt":
        try:
            said = json.loads((folder / SAID).read_text(encoding="utf-8"))
            numbers, views = said["optimisation"], said.get("views")
            return cls(
                selection=said["selection"], manifest=folder / MANIFEST, raw=folder, owner=owner,
                optimisation=None if numbers is None else build(numbers, Optimisation), views=views if isinstance(views, Mapping) else None,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise DataError(
                f"{folder / SAID} cannot be read ({type(err).__name__}: {err}). Delete {folder}: what that model learnt from is then learnt from no more."
            ) from err


def laid_at(root: Path, model: Path) -> Path | None:
    """Return where a workspace lays in what a model learnt from, whatever the model is called; None where this is the folder of none of ours."""
    if not all((model / name).is_file() for name in MODEL_FILES):
        return None
    return root / LEARNT / model_digest(model)[:12]


def _keeper_of(model: Path) -> Path | None:
    """Return the workspace of a start that was made once (`made_once`); None for the folder of another model."""
    place = model.absolute()
    return place.parents[2] if place.parts[-3:-1] == (OWN, STARTS) else None


def _check_sealed(model: Path) -> None:
    """Raise DataError where the folder of a start is not as it was made."""
    try:
        check_files(model, read_sealed(model)["files"])
    except StaleArtifact as err:
        raise DataError(
            f"{model} is not as it was made: a file was changed or is missing. Name micro_clip again, and it is made anew."
        ) from err


def digest_in(folder: Path) -> str:
    """Return a digest of what was laid in, by which a race knows it: with a word before it, since digits alone are a number to YAML."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return f"sha256:{digest_of({path.relative_to(folder).as_posix(): sha256_of(path) for path in files})[:12]}"


def _by_shard(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["shard"], []).append(row)
    return found
