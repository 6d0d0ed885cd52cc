"""The same work on Ray Data: pieces of the rows, each by one of several actors, on this machine or on those of a cluster.

With RAY_ADDRESS set, Ray's own variable, the cluster there does the work; its machines must have Diptych, and the workspace at the same path. Else
Ray is started on this machine for as long as it is needed: it listens to whoever has a token that is made anew, and leaves no process and no file.
What is sent between the two are pickles, as everywhere in Ray; none is kept.
"""

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pyarrow as pa

from components.contracts import errors
from components.contracts.errors import CapabilityError, DiptychError
from components.contracts.progress import Progress, silent
from components.curation.pieces import InProcess, Work
from components.data.pieces import pieces
from components.data.processes import cores

MOST_ROWS = 1024  # of a piece that may be of any size
_PIECES = 4  # of such a size for each actor, so that none waits long for the last
_ADDRESS = "RAY_ADDRESS"
_STORE_BYTES = 256 * 2**20  # for pieces on their way; none holds a picture


class OnRay:
    """Works on Ray's actors, each with one processor core. Use as a context manager, which stops what it has started.

    Entering raises CapabilityError where Ray is not installed. Ray that somebody else has started in this process is used, and left running.

    Args:
        cpus: actors; 0 for as many as there are cores.
    """

    processes = 1  # a picture that crashes the decoder is no end to the actor
    threads = 1
    within = staticmethod(silent)

    def __init__(self, progress: Progress, cpus: int = 0) -> None:
        self.progress, self.cpus = progress, cpus
        self._stack = ExitStack()

    def run(
        self, begin: Callable[[], Work], rows: pa.Table, piece_rows: int | None, doing: str, together: bool = False
    ) -> pa.Table:
        """Return what comes of all rows, as of Engine; one piece that cannot be done ends all. Each actor has a core, and so one thread.

        A single piece is done here, since nobody could work beside it, and to start an actor takes seconds.
        """
        from ray import data

        actors = self.cpus or int(_imported().cluster_resources().get("CPU", 1))
        size = piece_rows or min(MOST_ROWS, -(-len(rows) // (_PIECES * actors)))
        if len(rows) <= size:
            return InProcess(self.progress).run(begin, rows, size, doing)
        sent = [
            pa.table({"at": [at], "rows": [_packed(piece)], "failed": [""]})
            for at, piece in enumerate(pieces(rows, size))
        ]
        done = data.from_arrow(sent).map_batches(
            _Worker, fn_constructor_args=(begin,), batch_size=1, batch_format="pyarrow", num_cpus=1,
            compute=data.ActorPoolStrategy(size=min(actors, len(sent))),
        )  # fmt: skip
        found: dict[int, pa.Table] = {}
        batches: Iterable[Any] = done.iter_batches(batch_size=None, batch_format="pyarrow")
        for batch in batches:
            for one in batch.to_pylist():
                if one["failed"]:
                    raise getattr(errors, one["failed"])(one["rows"].decode())
                found[one["at"]] = _unpacked(one["rows"])
            self.progress(doing, sum(map(len, found.values())), len(rows))
        return pa.concat_tables([found[at] for at in range(len(sent))]).combine_chunks()

    def __enter__(self) -> Self:
        ray = _imported()
        if not ray.is_initialized():
            with self._stack as stack:  # closes what was begun where the rest fails
                if _ADDRESS in os.environ:
                    ray.init(log_to_driver=False, logging_level="ERROR")
                else:
                    self._start(ray, stack)
                stack.callback(ray.shutdown)
                self._stack = stack.pop_all()
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, ray: Any, stack: ExitStack) -> None:
        folder = stack.enter_context(TemporaryDirectory(prefix="dp", ignore_cleanup_errors=True))  # for us alone
        before = signal.getsignal(signal.SIGTERM)
        ray.init(
            address="local", num_cpus=self.cpus or cores(), num_gpus=0, include_dashboard=False, log_to_driver=False,
            logging_level="ERROR", object_store_memory=_STORE_BYTES, _node_ip_address="127.0.0.1",
            _temp_dir=str(Path(folder) / "ray"),
        )  # fmt: skip
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes it, and a stage has its own way to stop


class _Worker:
    """Opens what the work needs, and does it for each piece that comes."""

    def __init__(self, begin: Callable[[], Work]) -> None:
        self._begin = begin
        self._work: Work | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        (one,) = batch.to_pylist()
        try:
            self._work = self._work or self._begin()
            rows, failed = _packed(self._work(_unpacked(one["rows"]))), ""
        except DiptychError as err:  # a fault of the data or of params.yaml, which another try does not mend
            rows, failed = str(err).encode(), _kind(err)
        return pa.table({"at": [one["at"]], "rows": [rows], "failed": [failed]})


def _kind(err: DiptychError) -> str:
    """Return which of the kinds that a stage knows an error is."""
    return next(kind.__name__ for kind in type(err).__mro__ if kind.__module__ == errors.__name__)


def _imported() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if _ADDRESS not in os.environ and "ray" not in sys.modules:  # it reads both once, when it is imported
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray.data
    except ModuleNotFoundError as err:
        raise CapabilityError(
            "curation.engine is ray, but Ray is not installed here. Run .venv/bin/python -m pip install -e '.[ray]', or take engine: "
            "process, which finds the same on this machine alone."
        ) from err
    return ray


def _packed(rows: pa.Table) -> bytes:
    """Return rows as they are, to the last bit: Ray would change the type of some columns."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return sink.getvalue().to_pybytes()


def _unpacked(rows: bytes) -> pa.Table:
    return pa.ipc.open_stream(rows).read_all()
