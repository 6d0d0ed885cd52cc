"""Records that lie in shards, gone through one after the other: a shard that gives nothing is a row, never a loop."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.sources.record import Record


class ShardEnds(Exception):
    """A shard cannot be read, or not any further; the message says where and why."""


def by_shard(
    shards: Sequence[tuple[str, Path]],
    records: Callable[[str, Path], Iterator[Record | Reject]],
    progress: Progress,
) -> Iterator[Record | Reject]:
    """Yield the records of every shard, and a Reject for each that ends too early or gives none.

    Args:
        shards: (name, path), in their order.
        records: yields what a shard holds; raises ShardEnds or OSError where it cannot go on.
    """
    for place, (shard, path) in enumerate(shards):
        came_in, why = 0, ""
        try:
            for one in records(shard, path):
                came_in += isinstance(one, Record)
                yield one
        except ShardEnds as err:
            why = str(err)
        except OSError as err:
            why = f"it could not be read: {err.strerror or err}"
        if not came_in:
            detail = why or "no record in it could come in"
            yield Reject(key=shard, member=shard, reason="all_bad_shard", detail=detail)
        elif why:
            yield Reject(key=shard, member=shard, reason="shard_truncated", detail=why)
        progress("read shards", place + 1, len(shards))
