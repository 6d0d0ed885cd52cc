"""Write tests/golden/shard_faults.json: what the webdataset package does with each case of tests/shard_faults.py.

    python -m venv /tmp/wds && /tmp/wds/bin/pip install webdataset==0.2.86 pillow numpy
    PYTHONPATH=. /tmp/wds/bin/python tests/golden/make_shard_faults.py

Twice: as its own documentation reads a shard, and as open_clip's training does (its filters and its handler, which goes on after
an error; an epoch of 30 samples over the ten there are; 0.2.86 is the newest that open_clip 3.3.0 trains with). A case that is not over after 5 s is stopped.
"""

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import webdataset as wds

from tests.shard_faults import make

PLACE = Path(__file__).with_name("shard_faults.json")
SECONDS = 5


class Over(BaseException):
    """The time is over; no Exception, which the package's handlers would take for a broken sample."""


def plain(path: Path | str) -> Any:
    """Return the samples as the package's documentation reads them."""
    return wds.WebDataset(str(path), shardshuffle=False).decode("pil")


def training(path: Path | str) -> Any:
    """Return the samples as open_clip_train.data.get_wds_dataset does for training, without tokenizer and batches."""

    def whole(sample: dict[str, object]) -> bool:
        return "txt" in sample and any(kind in sample for kind in ("png", "jpg", "jpeg", "webp"))

    def go_on(err: Exception) -> bool:
        return True

    return wds.DataPipeline(
        wds.SimpleShardList([str(path)]),
        wds.tarfile_to_samples(handler=go_on),
        wds.select(whole),
        wds.decode("pilrgb", handler=go_on),
        wds.rename(image="jpg;png;jpeg;webp", text="txt"),
        wds.to_tuple("image", "text"),
    ).with_epoch(30)


def outcome(samples: Iterator[object], ran: Path) -> str:
    """Return what came of it, in words."""
    count, end = 0, ""

    def stop(*_: object) -> None:
        raise Over

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.1)  # again and again: one that falls into a destructor is lost
    try:
        for _ in samples:
            count += 1
    except Over:
        end = ", does not end"
    except Exception as err:  # that is what is measured
        end = f", then {type(err).__name__}"
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = ", and the code ran" if ran.exists() else ""
    with suppress(FileNotFoundError):
        ran.rmdir()
    return f"{count}{end}{code}"


def main() -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as scratch:
        ran = Path(scratch) / "ran"
        cases = make(Path(scratch), ran)
        told = {
            what: {"plain": outcome(iter(plain(path)), ran), "training": outcome(iter(training(path)), ran)}
            for what, path in cases.items()
        }
    held = {"webdataset": version("webdataset"), "cases": told}
    PLACE.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
