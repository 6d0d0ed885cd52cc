"""The tables of docs/scale.md: what a number of pairs takes, from what was measured here and what peers have published of GPUs.

python -m infra.scale --write                       # render them
python -m infra.scale                               # say whether the page shows them as they come out, exit 1 if not
python -m infra.scale --pairs 40e6 --price 1.60     # print one row for your own number of pairs, and your price of a GPU-hour

Units: seconds, bytes; CPU-seconds are of one core. Nothing here was measured on a GPU.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.data.shard_writer import SHARD_BYTES

PAGE = "docs/scale.md"
PAIRS = (100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
PRICE = 2.0
"""USD for an hour of one A100, taken to have a number: put yours in by --price."""
DEADLINE_H = 72.0
"""Hours in which a training is to end, by which GPUs are counted."""
EPOCHS, MOST_SEEN = 32, 12.8e9
"""A pair is shown as often as CLIP's and LAION-400M's were, and no training sees more than DataComp's largest (2304.14108)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A training that open_clip's authors have published.

    Args:
        model: as open_clip calls it.
        gpu_hours: of A100 with 40 GB, for MOST_SEEN samples: 32 epochs of LAION-400M.
    """

    model: str
    gpu_hours: float

    @property
    def samples_per_gpu_s(self) -> float:
        """Return what that comes to."""
        return MOST_SEEN / self.gpu_hours / 3600


THEIRS = (
    Theirs(model="ViT-B-32", gpu_hours=4600),
    Theirs(model="ViT-B-16", gpu_hours=10700),
    Theirs(model="ViT-L-14", gpu_hours=50800),
)
"""github.com/mlfoundations/open_clip, docs/PRETRAINED.md, LAION-400M."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What was measured here, each from the file in docs/benchmarks that its number is of.

    Args:
        pair_bytes: of a JPEG of 640 x 480 with its words, as ingest writes it.
        ingest_cpu_s, validate_cpu_s, dedup_cpu_s: of a pair.
        validate_bytes: of memory, of a row.
        decoded_per_cpu_s: pictures whose views a GPU makes, decoded to 224 px the first time.
        cached_per_cpu_s: the same from the cache of decoded pictures.
        pull_bytes_per_s: of shards from SeaweedFS on the same machine.
    """

    pair_bytes: float
    ingest_cpu_s: float
    validate_cpu_s: float
    validate_bytes: float
    dedup_cpu_s: float
    decoded_per_cpu_s: float
    cached_per_cpu_s: float
    pull_bytes_per_s: float

    @classmethod
    def read(cls, root: Path) -> "Ours":
        """Return them as the files have them now."""

        def kept(name: str) -> dict[str, Any]:
            return dict(json.loads((root / "docs/benchmarks" / f"{name}.json").read_text(encoding="utf-8")))

        ingest, validate, dedup, loader, push = (
            kept(name) for name in ("ingest", "validate", "dedup", "loader", "dvc-push")
        )
        alone = [trial["runs"]["0 processes"]["cpu_s"] for trial in ingest["trials"]]
        device = loader["sides"]["ours device 500x375"]
        million = dedup["rows"]["1000000"]
        return cls(
            pair_bytes=ingest["megabytes"] * 1e6 / ingest["pictures"], ingest_cpu_s=sum(alone) / len(alone) / ingest["pictures"],
            validate_cpu_s=validate["ours"]["cpu_s"] / validate["ours"]["rows"], validate_bytes=validate["ours"]["peak_gb"] * 1e9 / validate["ours"]["rows"],
            dedup_cpu_s=million["cpu_s"] / million["rows"], decoded_per_cpu_s=device["epoch_1"]["samples_per_cpu_s"],
            cached_per_cpu_s=device["epoch_2"]["samples_per_cpu_s"], pull_bytes_per_s=push["sides"]["shards"]["pull"]["mb_per_s"] * 1e6,
        )  # fmt: skip


def data_row(pairs: float, ours: Ours) -> list[str]:
    """Return what a number of pairs takes before it is trained on."""
    stored = pairs * ours.pair_bytes
    return [
        _count(pairs), _bytes(stored), _count(max(1.0, stored / SHARD_BYTES)), _hours(pairs * ours.ingest_cpu_s), _hours(pairs * (ours.validate_cpu_s + ours.dedup_cpu_s)),
        _bytes(pairs * ours.validate_bytes), _bytes(pairs * 3 * 224 * 224), _hours(stored / ours.pull_bytes_per_s),
    ]  # fmt: skip


def training_row(pairs: float, theirs: Theirs, ours: Ours, price: float) -> list[str]:
    """Return what a training on a number of pairs takes on A100s."""
    seen = min(EPOCHS * pairs, MOST_SEEN)
    gpu_hours = seen / theirs.samples_per_gpu_s / 3600
    gpus = max(1, -(-gpu_hours // DEADLINE_H))
    rate = gpus * theirs.samples_per_gpu_s
    return [
        _count(pairs), theirs.model, _count(seen), f"{gpu_hours:,.1f}" if gpu_hours < 100 else f"{gpu_hours:,.0f}", f"{gpus:,.0f}", f"{gpu_hours / gpus:,.1f}",
        f"{theirs.samples_per_gpu_s / ours.decoded_per_cpu_s:.1f}", f"{rate * ours.pair_bytes / 1e6:,.0f} MB/s", f"{gpu_hours * price:,.0f}",
    ]  # fmt: skip


DATA = (
    "pairs",
    "shards' bytes",
    "shards",
    "ingest",
    "validate and dedup",
    "memory of validate",
    "cache of decoded pictures",
    "one pull by one machine",
)
TRAINING = ("pairs", "model", "samples seen", "GPU-hours", "GPUs", "hours", "cores a GPU", "read from S3", "USD")


def tables(ours: Ours, pairs: Sequence[float], price: float) -> str:
    """Return both as Markdown."""
    data = [data_row(one, ours) for one in pairs]
    training = [training_row(one, theirs, ours, price) for one in pairs for theirs in THEIRS]
    return f"{_table(DATA, data)}\n{_table(TRAINING, training)}"


def measured(ours: Ours) -> str:
    """Return the numbers that the formulas take, as Markdown."""
    rows = [
        ["`pair_bytes`", f"{ours.pair_bytes / 1e3:.1f} kB", "[ingest](benchmarks/ingest.json)"],
        ["`ingest_cpu_s`", f"{ours.ingest_cpu_s * 1e3:.2f} ms", "[ingest](benchmarks/ingest.json)"],
        ["`validate_cpu_s`", f"{ours.validate_cpu_s * 1e6:.1f} µs", "[validate](benchmarks/validate.json)"],
        ["`validate_bytes`", f"{ours.validate_bytes / 1e3:.2f} kB", "[validate](benchmarks/validate.json)"],
        ["`dedup_cpu_s`", f"{ours.dedup_cpu_s * 1e6:.1f} µs", "[dedup](benchmarks/dedup.json)"],
        ["`decoded_per_cpu_s`", f"{ours.decoded_per_cpu_s:,.0f}", "[loader](benchmarks/loader.json)"],
        ["`cached_per_cpu_s`", f"{ours.cached_per_cpu_s:,.0f}", "[loader](benchmarks/loader.json)"],
        ["`pull_bytes_per_s`", f"{ours.pull_bytes_per_s / 1e6:,.0f} MB/s", "[dvc-push](benchmarks/dvc-push.json)"],
    ]
    theirs = [
        [f"`{one.model}`", f"{one.gpu_hours:,.0f} GPU-hours", f"{one.samples_per_gpu_s:,.0f} samples/s"]
        for one in THEIRS
    ]
    return f"{_table(('measured here', 'is', 'from'), rows)}\n{_table(('published by open_clip, A100 40 GB', 'for 12.8 B samples', 'a GPU'), theirs)}"


def page(text: str, ours: Ours) -> str:
    """Return the page with numbers and tables as they come out now."""
    for name, shown in (("numbers", measured(ours)), ("tables", tables(ours, PAIRS, PRICE))):
        start, end = f"<!-- {name}: python -m infra.scale --write -->", f"<!-- end of {name} -->"
        if start not in text or end not in text:
            raise ValueError(f"{PAGE} has no place for {name}, between {start} and {end}")
        before, rest = text.split(f"{start}\n", 1)
        text = f"{before}{start}\n{shown}{end}{rest.split(end, 1)[1]}"
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join(["---"] * len(head)), *(" | ".join(row) for row in rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _count(number: float) -> str:
    return next(
        (f"{number / size:,.4g} {word}" for size, word in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if number >= size),
        f"{number:,.0f}",
    )


def _bytes(number: float) -> str:
    return next(
        (
            f"{number / size:,.3g} {word}"
            for size, word in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"))
            if number >= size
        ),
        f"{number:,.0f} B",
    )


def _hours(seconds: float) -> str:
    return (
        f"{seconds / 3600:,.0f} h"
        if seconds >= 36_000
        else f"{seconds / 3600:,.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:,.1f} min"
    )


def main() -> int:
    """Render, compare or print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"render into {PAGE}")
    parser.add_argument("--pairs", type=float, help="print the rows of this number of pairs instead")
    parser.add_argument("--price", type=float, default=PRICE, help=f"of a GPU-hour ({PRICE:g})")
    arguments, root = parser.parse_args(), Path.cwd()
    ours = Ours.read(root)
    if arguments.pairs:
        print(tables(ours, [arguments.pairs], arguments.price), end="")
        return 0
    path = root / PAGE
    text = path.read_text(encoding="utf-8")
    wanted = page(text, ours)
    if arguments.write:
        path.write_text(wanted, encoding="utf-8")
    elif wanted != text:
        print(f"{PAGE} does not show what comes of the numbers now; run: python -m infra.scale --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
