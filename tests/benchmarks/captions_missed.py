"""Which captions that differ by a word Deduplicate misses, and why: `python -m tests.benchmarks.captions_missed [--captions 10000]`.

Captions of about ten words are drawn, and copied as tests/benchmarks/dedup.py copies them: a word less, or one more. Of each copy the
share of shingles that it has in common with its original is counted exactly, by sets. A copy below the threshold is no miss of the
search: by the step's own definition it is another caption. Prints one JSON object.
"""

import argparse
import inspect
import json

import numpy as np
import pyarrow as pa

from components.curation.ops.deduplicate import Deduplicate, said_alike
from components.data.minhash import MinHash
from tests.benchmarks.dedup import nearly
from tests.benchmarks.validate import drawn_captions

SHORT = 4  # words


def main() -> None:
    """Draw, copy, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=10_000)
    print(json.dumps(missed(parser.parse_args().captions)))


def missed(count: int) -> dict[str, float]:
    """Return how many copies are alike by the definition, and the share that is found of all, of those, and of short captions."""
    alike = inspect.signature(Deduplicate).parameters["alike"].default
    said = drawn_captions(np.random.default_rng(0), count).to_pylist()
    copies = [nearly(caption, place) for place, caption in enumerate(said)]
    texts = pa.StructArray.from_arrays([pa.array(said + copies)], ["text"])
    rows = pa.chunked_array([pa.ListArray.from_arrays(pa.array(np.arange(2 * count + 1, dtype=np.int32)), texts)])
    found = np.isin(np.arange(count) + count, said_alike(rows, np.arange(2 * count), alike))
    near = np.array([shared(one, other) >= alike for one, other in zip(said, copies, strict=True)])
    short = np.array([len(caption.split()) <= SHORT for caption in said])
    return {
        "captions": count, "found": round(found.mean(), 3), "alike": round(near.mean(), 3), "found_of_alike": round(found[near].mean(), 3),
        "unlike_and_short": round((short & ~near).sum() / (~near).sum(), 3),
        "missed": int((~found).sum()), "missed_unlike": int((~found & ~near).sum()),
    }  # fmt: skip


def shared(one: str, other: str, letters: int = MinHash().letters) -> float:
    """Return the share that two texts have in common of all runs of so many bytes in either, a space before and behind each."""
    ones, others = (_runs(f" {text.ljust(letters)} ".encode(), letters) for text in (one, other))
    return len(ones & others) / len(ones | others)


def _runs(text: bytes, letters: int) -> set[bytes]:
    return {text[at : at + letters] for at in range(len(text) - letters + 1)}


if __name__ == "__main__":
    main()
