"""A row a query of anything that ranks answers: what two models are compared by later, and what their numbers are counted over."""

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from components.contracts.evaluate import Metric, Tally
from components.evaluation.bootstrap import mean_interval
from components.evaluation.ranking import chance_of
from components.evaluation.retrieval import Gallery, turn_names


def rank_rows(
    split: str, direction: str, gallery: Gallery, rank: Int[np.ndarray, "Q"], baseline: Int[np.ndarray, "Q"], **same: str | int
) -> pa.Table:  # fmt: skip
    """Return `split`, `direction`, `query`, `group`, `rank` and `baseline_rank` of each query, and what is the same of all."""
    queries, _ = turn_names(gallery, direction)
    groups = [gallery.pictures[place] for place in gallery.about(direction)]
    told = {name: [value] * len(queries) for name, value in {"split": split, "direction": direction, **same}.items()}
    ranks = {"rank": pa.array(rank, pa.int32()), "baseline_rank": pa.array(baseline, pa.int32())}
    return pa.table({**told, "query": queries, "group": groups, **ranks})


def recall(name: str, rows: str, table: pa.Table, k: int, gallery: Gallery, seed: int, method: str) -> Metric:
    """Return recall at k of one direction's rows, with its interval and chance, counted over them.

    Args:
        name: of the metric.
        rows: what the table is kept as, with others.
        table: as `rank_rows` gives it; its columns with a single value beside `split` tell it from the others of its name.
        k: of recall at k.
        gallery: of the pool.
        seed: of the draws.
        method: how the model was asked.
    """
    where = {column: table[column][0].as_py() for column in table.column_names[1 : table.column_names.index("query")]}
    right = gallery.right if where["direction"] == "image_to_text" else gallery.right.turned
    rank, baseline = (table[column].to_numpy() for column in ("rank", "baseline_rank"))
    low, high = mean_interval(rank <= k, table["group"].to_pylist(), seed)
    return Metric(
        name=name, value=float((rank <= k).mean()), unit="fraction", better="up", n=len(rank), chance=chance_of(k, right.counts, right.gallery),
        baseline=float((baseline <= k).mean()), method=method, low=low, high=high,
        tallies=(Tally(rows=rows, where=where, column="rank", at_most=k),),
    )  # fmt: skip
