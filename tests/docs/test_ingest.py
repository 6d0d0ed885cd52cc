"""docs/ingest.md gives the numbers of the code and of the benchmark."""

import json
from pathlib import Path

from components.data.seeing import AHEAD, MOST, PATIENCE_S
from components.data.sight import CPU_S, MEMORY_BYTES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "ingest.md").read_text()


def test_its_numbers_are_the_codes():
    assert AHEAD == 2
    assert "two handfuls each" in PAGE
    assert PATIENCE_S == 300
    assert "nothing for five minutes" in PAGE
    assert f"by {CPU_S:g} seconds of CPU time" in PAGE
    assert MEMORY_BYTES == 2 * 2**30
    assert "more than 2 GB\nof memory" in PAGE
    assert MOST == 16
    assert "no more than 16." in PAGE


def test_its_seconds_are_those_that_were_measured():
    said = json.loads((DOCS / "benchmarks/ingest.json").read_text())

    def cpu_s(*names: str) -> list[float]:
        return sorted(trial["runs"][name]["cpu_s"] for trial in said["trials"] for name in names)

    alone, two, kept = cpu_s("0 processes"), cpu_s("2 processes", "keeping shards"), cpu_s("from kept shards")
    assert said["same_digest"]
    assert (
        f"took {alone[0]} to {alone[-1]} CPU-seconds without other processes and {two[0]} to {two[-1]} with two" in PAGE
    )
    assert f"the next run took {kept[0]} and {kept[-1]} CPU-seconds" in PAGE
    assert {trial["runs"]["from kept shards"]["shards_kept"] for trial in said["trials"]} == {37}
