"""Runs of the store: found by what they are of, and written to so that a second time changes nothing."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from components.registry.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

T = TypeVar("T")

TRAIN_DIGEST = "diptych.train_digest"
PACKAGE_DIGEST = "diptych.package_digest"
START_DIGEST = "diptych.start_digest"  # of the model that a training began from
_MOST_METRICS, _MOST_PARAMS, _LONGEST_PARAM = 1000, 100, 6000  # of one request to MLflow


def find_run(store: Store, tag: str, value: str) -> "Run | None":
    """Return the oldest run with this tag; None when there is none."""
    found = _with_tag(store, tag, value, most=1)
    return found[0] if found else None


def start_run(store: Store, recipe: str, tag: str, value: str, more: Mapping[str, str] | None = None) -> "Run":
    """Return a new run, shown by the recipe's name, of which there is none with this tag yet.

    Where two made it at once, or MLflow's client did so twice since an answer was lost on its way, the first one is returned, and others into
    which nothing was written go.

    Args:
        more: tags that it gets besides.
    """
    store.client.create_run(
        store.experiment, run_name=recipe, tags={"diptych.recipe": recipe, tag: value, **(more or {})}
    )
    first, *twins = _with_tag(store, tag, value)
    for twin in twins:
        if not twin.data.metrics and not twin.data.params:
            store.client.delete_run(twin.info.run_id)
    return first


def _with_tag(store: Store, tag: str, value: str, most: int = 100) -> "list[Run]":
    """Return runs with this tag, oldest first; those of one moment by their id, so that all see the same order."""
    return list(
        store.client.search_runs(
            [store.experiment], f"tags.`{tag}` = '{value}'",
            order_by=["attributes.start_time ASC"], max_results=most,
        )
    )  # fmt: skip


def log_params(store: Store, run: "Run", params: Mapping[str, str]) -> None:
    """Write the params that the run does not have; MLflow keeps the first value of each for good."""
    from mlflow.entities import Param

    new = [Param(name, text[:_LONGEST_PARAM]) for name, text in params.items() if name not in run.data.params]
    for some in _batches(new, _MOST_PARAMS):
        store.client.log_batch(run.info.run_id, params=some)


def log_points(store: Store, run: "Run", points: Iterable[tuple[int, str, float, int]]) -> None:
    """Write (step, name, value, milliseconds since 1970), in as few requests as MLflow takes."""
    from mlflow.entities import Metric

    for some in _batches(list(points), _MOST_METRICS):
        metrics = [Metric(name, value, at, step) for step, name, value, at in some]
        store.client.log_batch(run.info.run_id, metrics=metrics)


def log_missing(store: Store, run: "Run", points: Iterable[tuple[int, str, float]]) -> int:
    """Write the points whose step the run does not have yet; return how many that were."""
    now = int(time.time() * 1000)
    there: dict[str, set[int]] = {}
    missing = []
    for step, name, value in points:
        if name not in there:
            there[name] = _steps(store, run, name)
        if step not in there[name]:
            missing.append((step, name, value, now))
    log_points(store, run, missing)
    return len(missing)


def last_steps(store: Store, run: "Run") -> dict[str, int]:
    """Return the last step of each metric that the run has."""
    return {name: max(_steps(store, run, name), default=-1) for name in run.data.metrics}


def _steps(store: Store, run: "Run", name: str) -> set[int]:
    return {metric.step for metric in store.client.get_metric_history(run.info.run_id, name)}


def _batches(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (values[start : start + most] for start in range(0, len(values), most))
