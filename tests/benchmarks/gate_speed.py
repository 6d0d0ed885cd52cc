"""How long one comparison over 100,000 queries takes, by what is compared: of right and wrong many groups are alike, of other numbers hardly two."""

import os
import time
from typing import Any

import numpy as np
import pyarrow as pa

from components.contracts.promotion import Rules
from components.evaluation.gate import judge
from components.evaluation.outcomes import Evaluated
from infra.results import processor
from tests.benchmarks.loader import commit

QUERIES, KS = 100_000, (1, 5, 10)
CASES = {  # what is compared -> captions of a picture, which are drawn together
    "right or wrong": 5,
    "mean recall, 5 captions a picture": 5,
    "mean recall, 10 captions a picture": 10,
    "mean average precision": 1,
}


def speed(queries: int = QUERIES) -> dict[str, Any]:
    """Return seconds by the clock and of the processor of each comparison, and on what machine."""
    found = {}
    for case in CASES:
        both = sides(case, queries)
        clock, work = time.perf_counter(), time.process_time()
        judge(*both, Rules(primary="primary"))
        found[case] = {"seconds": round(time.perf_counter() - clock, 2), "cpu_s": round(time.process_time() - work, 2)}
    waiting, cores = os.getloadavg()[0], os.cpu_count() or 1
    return {
        "queries": queries, "draws": Rules().draws, "of": found, "machine": f"{cores} cores, {processor()}",
        "beside": f"{waiting:.1f} processes wanted to run, on average, the minute before", "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "command": "python -m tests.benchmarks.gate --only-speed --keep",
    }  # fmt: skip


def sides(case: str, queries: int) -> tuple[Evaluated, Evaluated]:
    """Return what two models that mostly agree got, drawn: the second one right as often."""
    rng, captions = np.random.default_rng(0), CASES[case]
    hard = rng.standard_normal(queries // captions).repeat(captions) + 0.5 * rng.standard_normal(queries)
    of_text = [hard + 0.4 * rng.standard_normal(queries) for _ in range(2)]
    ours, theirs = (_side(case, label, text) for label, text in zip(("clip@2", "clip@1"), of_text, strict=True))
    return ours, theirs


def _side(case: str, label: str, text: np.ndarray) -> Evaluated:
    """Return one model's rows; the harder a query is for it, the further behind the right answer stands."""
    groups, picture = np.arange(len(text)) // CASES[case], text.reshape(-1, CASES[case]).mean(1)
    tallies: list[dict[str, Any]] = [{"rows": "r", "column": "value"}]
    if case == "right or wrong":
        rows = _table("text_to_image", groups, {"value": text < 0.3})
    elif case == "mean average precision":
        rows = _table("text_to_image", groups, {"value": 1 / (1 + np.exp(text))})
    else:
        rows = pa.concat_tables(
            [
                _table("text_to_image", groups, {"rank": _rank(text)}),
                _table("image_to_text", np.arange(len(picture)), {"rank": _rank(picture)}),
            ]
        )
        tallies = [
            {"rows": "r", "where": {"direction": way}, "column": "rank", "at_most": k}
            for way in ("image_to_text", "text_to_image")
            for k in KS
        ]
    return Evaluated(
        label=label, rows={"r": rows},
        metrics={"primary": {"value": 0.5, "unit": "fraction", "better": "up", "tallies": tallies}},
    )  # fmt: skip


def _rank(hard: np.ndarray) -> np.ndarray:
    return 1 + np.floor(np.exp(1.5 * hard + 1)).astype(np.int32)


def _table(direction: str, groups: np.ndarray, values: dict[str, np.ndarray]) -> pa.Table:
    queries = [f"{direction} {place:06d}" for place in range(len(groups))]
    return pa.table({"direction": [direction] * len(groups), "query": queries, "group": groups.astype(str), **values})
