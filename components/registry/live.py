"""Curves while they are drawn: training logs to a run of the store from a thread of its own, in batches.

A run is found by the digest of the training, so that a resumed training goes on in the same run. The store is a
projection: what it misses, `register` fills in from curves.csv, and nothing that happens to it may stop a training.

Each step of each number is delivered once. What a store that is away could not take waits here, and is sent again as it was, which MLflow
knows; where the training is killed meanwhile, its checkpoint has all of it, and the one that goes on from there tells it again.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.registry.packaged import flat
from components.registry.runs import TRAIN_DIGEST, find_run, last_steps, log_params, log_points, start_run
from components.registry.store import Store, open_store

if TYPE_CHECKING:
    from mlflow.entities import Run

Status = Literal["FINISHED", "FAILED", "KILLED"]


class LiveRun:
    """A run that is being written to.

    Args:
        errors: how often the store could not be written to.
    """

    def __init__(
        self, root: Path, recipe: str, digest: str, params: Mapping[str, Any], every_s: float, after_s: float
    ) -> None:
        self.errors = 0
        self._root, self._recipe, self._digest, self._params = root, recipe, digest, params
        self._every_s, self._after_s = every_s, after_s
        self._waiting: deque[tuple[int, str, float, int]] = deque()
        self._taken: list[tuple[int, str, float, int]] = []
        self._closing = threading.Event()
        self._status: Status = "FINISHED"
        self._store: Store | None = None
        self._run: Run | None = None
        self._last: dict[str, int] = {}
        self._thread = threading.Thread(target=self._write, name="live-run", daemon=True)

    @classmethod
    def open(
        cls, root: Path, recipe: str, digest: str, params: Mapping[str, Any] | None = None,
        *, every_s: float = 5.0, after_s: float = 15.0,
    ) -> "LiveRun":  # fmt: skip
        """Return at once; the store is opened off this thread.

        Args:
            digest: of everything that decides this training, the same when it is resumed.
            params: what to show of it.
            every_s: seconds between batches.
            after_s: seconds before the store is opened, which takes 10 CPU-seconds that a short training never pays.
        """
        live = cls(root, recipe, digest, params or {}, every_s, after_s)
        live._thread.start()
        return live

    @property
    def run_id(self) -> str | None:
        """The run in the store; None until it is opened."""
        return self._run.info.run_id if self._run is not None else None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the numbers of a step for the next batch; costs microseconds and never fails."""
        now = int(time.time() * 1000)
        self._waiting.extend((step, name, float(value), now) for name, value in values.items())

    def close(self, status: Status = "FINISHED", timeout_s: float | None = None) -> None:
        """Write what is left and end the run, waiting 15 s at most, or 3 s when the training did not finish."""
        self._status = status
        self._closing.set()
        self._thread.join(timeout_s if timeout_s is not None else 15.0 if status == "FINISHED" else 3.0)

    def _write(self) -> None:
        wait_s = self._after_s
        while not self._closing.wait(wait_s):
            self._attempt(self._flush)
            wait_s = self._every_s
        if self._run is not None:
            self._attempt(self._end)

    def _attempt(self, write: Any) -> None:
        try:
            write()
        except Exception as err:  # whatever the store does, the training goes on
            self.errors += 1
            if self.errors == 1:
                said = f"{type(err).__name__}: {err}".splitlines()[0]
                print(f"live curves: {said} Training goes on; register fills them in.", file=sys.stderr, flush=True)

    def _flush(self) -> None:
        store, run = self._opened()
        while self._waiting:
            self._taken.append(self._waiting.popleft())
        told = {
            (step, name): (step, name, value, at) for step, name, value, at in self._taken
        }  # a step that was made anew counts once
        fresh = [point for point in told.values() if point[0] > self._last.get(point[1], -1)]
        log_points(store, run, fresh)
        for step, name, _, _ in fresh:
            self._last[name] = max(step, self._last.get(name, -1))
        self._taken.clear()  # and when writing fails, they are there for the next attempt

    def _end(self) -> None:
        self._flush()
        store, run = self._opened()
        store.client.set_terminated(run.info.run_id, self._status)

    def _opened(self) -> tuple[Store, "Run"]:
        if self._store is None:
            self._store = open_store(self._root)
        if self._run is None:
            run = find_run(self._store, TRAIN_DIGEST, self._digest)
            if run is None:
                run = start_run(self._store, self._recipe, TRAIN_DIGEST, self._digest)
            else:
                self._store.client.update_run(run.info.run_id, status="RUNNING")
            log_params(self._store, run, dict(flat(self._params)))
            self._last = last_steps(self._store, run)
            self._run = run
        return self._store, self._run
