"""docs/shard-faults.md: its table is what the webdataset package did (tests/golden) and what we do, case by case, now."""

import json
from collections import Counter
from pathlib import Path

import pytest

from components.contracts.progress import silent
from components.contracts.reasons import REASONS
from components.contracts.reject import Reject
from components.data.fault import fault_of
from components.data.pictures import look
from components.data.sources import packed
from components.data.sources.record import Record
from components.data.sources.webdataset import Shards
from components.data.transforms.preprocess import BadImage
from tests.shard_faults import make

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/shard-faults.md").read_text()
SOUND = ("nothing", "two shards are one file", "nothing, and the shard is packed (.tar.gz)")
PEER = json.loads((REPOSITORY / "tests/golden/shard_faults.json").read_text())


def validated(record: Record) -> str | None:
    """Return the reason that validation gives a record that came in, None where it gives none."""
    try:
        look(record.data)
    except BadImage:
        return fault_of(record.data)
    return None if record.texts else "no_caption"


def ours(shard: Path) -> str:
    """Return "9; no_caption": sound records, and the reasons of the others, with how many where not one."""
    found = list(Shards(shard).read(silent))
    reasons = Counter(one.reason if isinstance(one, Reject) else validated(one) for one in found)
    sound = reasons.pop(None, 0)
    assert set(reasons) <= set(REASONS)
    return "; ".join([str(sound), *(f"`{why}`" + (f" ({n})" if n > 1 else "") for why, n in sorted(reasons.items()))])


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("faults")
    return make(folder, folder / "ran")


def test_the_table_is_what_was_measured_of_the_package_and_what_we_do(cases):
    rows = [
        f"| {what} | {PEER['cases'][what]['plain']} | {PEER['cases'][what]['training']} | {ours(shard)} |"
        for what, shard in cases.items()
    ]
    assert "\n".join(rows) in PAGE
    assert f"webdataset {PEER['webdataset']}" in PAGE
    assert not next(iter(cases.values())).with_name("ran").exists()


def test_numbers_of_the_page_are_those_of_the_code():
    assert (packed.TIMES, packed.ALLOWANCE_BYTES) == (100, 64 * 2**20)
    assert "to a hundred times its size and 64 MiB" in PAGE


def test_whatever_is_wrong_is_told_and_costs_no_other_record_than_those_behind_the_cut(cases):
    for what, shard in cases.items():
        found = list(Shards(shard).read(silent))
        wrong = [one for one in found if isinstance(one, Reject) or validated(one)]
        assert bool(wrong) == (what not in SOUND), what
        if not any(one.reason in ("shard_truncated", "all_bad_shard") for one in found if isinstance(one, Reject)):
            assert len(found) >= 10, what
