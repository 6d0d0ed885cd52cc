"""What the gateway kept of requests, read back: vectors of texts and pictures, scores by language, seconds and statuses.

Axes: R requests, N distinct vectors, D embedding width.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float, Shaped

from components.serving.gateway.samples import SCHEMA, sampled_folder

_AMONG = 4  # times as many rows as are asked for, among which those that are alike are looked for
STAMP = "%Y%m%dT%H%M%S"  # that names of files begin with: when they were written


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """Some requests, the oldest first.

    Args:
        table: with the columns of the gateway's SCHEMA.
        unread: names of files that are not Parquet, or are none any more.
    """

    table: pa.Table
    unread: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def between(self, since: datetime, until: datetime) -> "Requests":
        """Return those from `since` on, before `until`."""
        at = self.table["at"]
        kind = at.type
        there = pc.and_(pc.greater_equal(at, pa.scalar(since, kind)), pc.less(at, pa.scalar(until, kind)))
        return replace(self, table=self.table.filter(there))

    def of_package(self, digest: str) -> "Requests":
        """Return those that one package answered, since vectors are of its encoders, and scores of its index."""
        return replace(self, table=self.table.filter(pc.equal(self.table["package"], digest)))

    def vectors(self, side: str, most: int | None = None, seed: int = 0) -> Float[np.ndarray, "N D"]:
        """Return each vector of `text` or `image` once, in the order in which they came: who repeats himself is one witness.

        Args:
            side: which.
            most: vectors, drawn by chance; all unless given.
            seed: of the draw.
        """
        rows = self.table.filter(pc.and_(pc.equal(self.table["side"], side), pc.is_valid(self.table["embedding"])))
        if not rows.num_rows:
            return np.zeros((0, 0), np.float32)
        rng = np.random.default_rng(seed)
        if most is not None and rows.num_rows > _AMONG * most:  # to sort half a million vectors takes a minute
            rows = rows.take(np.sort(rng.choice(rows.num_rows, _AMONG * most, replace=False)))
        lists = rows["embedding"].combine_chunks()
        numbers = np.asarray(lists.flatten()).reshape(len(lists), -1)
        _, first = np.unique(numbers, axis=0, return_index=True)
        distinct: np.ndarray = numbers[np.sort(first)].astype(np.float32)
        whole = distinct[np.isfinite(distinct).all(1)]
        return whole if most is None else drawn(whole, most, rng)

    def scores(self) -> dict[str, Float[np.ndarray, "R"]]:
        """Return the best score of each search by words, by language: that of each text once."""
        rows = self.table.filter(pc.and_(pc.is_valid(self.table["lang"]), pc.is_valid(self.table["query"])))
        lists = rows["scores"].combine_chunks()
        each = pa.table({"row": pc.list_parent_indices(lists), "score": pc.list_flatten(lists)})
        best = each.group_by("row").aggregate([("score", "max")]).drop_null()
        said = rows.select(["lang", "query"]).take(best["row"]).append_column("score", best["score_max"])
        found = said.group_by(["lang", "query"], use_threads=False).aggregate([("score", "max")])
        by_language: dict[str, list[float]] = {}
        for lang, score in zip(found["lang"].to_pylist(), found["score_max"].to_pylist(), strict=True):
            by_language.setdefault(lang, []).append(score)
        return {lang: np.array(scores) for lang, scores in sorted(by_language.items())}

    def seconds(self) -> Float[np.ndarray, "R"]:
        """Return how long each took that came as far as a route: who is turned away is made to wait."""
        routed = self.table.filter(pc.not_equal(self.table["route"], "none"))
        return np.asarray(routed["seconds"], np.float64)

    def failed(self) -> int:
        """Return how many failed by the fault of the gateway or what stands behind it."""
        return int(pc.sum(pc.greater_equal(self.table["status"], 500)).as_py() or 0)


def read_requests(root: Path, since: datetime | None = None) -> Requests:
    """Return what was kept of a workspace's requests since then; all of it unless given."""
    tables, unread = list[pa.Table](), list[str]()
    oldest = f"{since.astimezone(UTC):{STAMP}}" if since is not None else ""
    for path in sorted(sampled_folder(root).glob("*.parquet")):
        if path.name < oldest:  # written before, so it has only requests of before
            continue
        try:
            tables.append(_whole(pq.read_table(path)))
        except FileNotFoundError:  # it was let go meanwhile
            continue
        except (pa.ArrowInvalid, OSError):
            unread.append(path.name)
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    found = Requests(table=table.sort_by("at"), unread=tuple(unread))
    return found if since is None else found.between(since, datetime.max.replace(tzinfo=UTC))


def drawn(rows: Shaped[np.ndarray, "N ..."], most: int, rng: np.random.Generator) -> Shaped[np.ndarray, "M ..."]:
    """Return at most so many rows, drawn by chance, in their order."""
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def _whole(table: pa.Table) -> pa.Table:
    """Return the columns of the schema; those that an older gateway did not write are empty."""
    columns = {
        its.name: table[its.name].cast(its.type)
        if its.name in table.column_names
        else pa.nulls(table.num_rows, its.type)
        for its in SCHEMA
    }
    return pa.table(columns, SCHEMA)
