"""What the rules find by columns is what Great Expectations finds, line by line and word by word."""

import random

import pyarrow as pa
import pytest

from components.contracts.errors import DataError
from components.contracts.reasons import REASONS, VALIDATE
from components.data.manifest import SCHEMA
from components.validation.by_column import run_rules
from components.validation.measure import MEASURED
from components.validation.rules import Declared, Limits, rules
from components.validation.suite import run_suite

DECLARED = {"designers": ["web"], "licences": ["CC0-1.0"], "languages": ["de", "en", "ja"]}
DIRT = {
    "key": [None, "twice"], "split": [None, "holdout"], "source": [None, "nobody"], "licence": [None, "LicenseRef-x"], "shard": [None],
    "offset": [None], "size_bytes": [None], "sha256": [None],
    "texts": [None, [], [("", "en")], [(" \n", "en")], [("word " * 500, "en")], [("a", "fr")], [("a", None)], [("赤い", "de")], [(None, "en")]],
    "found": [False], "intact": [False, None], "flaw": ["zero_bytes", "not_an_image", "bomb", "truncated", "undecodable", "too_slow"],
    "width": [None, 15, 16, 8192, 8193, 123456], "height": [None, 3, 9000], "contrast": [None, 0.0, 0.00999, 0.01],
}  # fmt: skip


def dirty(seed: int, count: int = 80) -> tuple[pa.Table, pa.Table]:
    """Return rows of which every third is spoiled in up to three ways."""
    draws = random.Random(seed)
    rows, measured = [], []
    for number in range(count):
        row = {
            **dict.fromkeys((*SCHEMA.names, *MEASURED.names)), "key": f"k{number}", "split": "train", "source": "web",
            "licence": "CC0-1.0", "shard": "train/000000.tar", "offset": number, "size_bytes": 9, "sha256": "f",
            "texts": [("a cat", "en"), ("赤い", "ja")], "found": True, "intact": True, "fault": f"fault {number}", "width": 64,
            "height": 64, "contrast": 0.3,
        }  # fmt: skip
        if number % 3 == 0:
            row |= {name: draws.choice(DIRT[name]) for name in draws.sample(list(DIRT), draws.randint(1, 3))}
        texts = row["texts"]
        row["texts"] = (texts and [{"text": text, "kind": "short", "lang": lang} for text, lang in texts]) or texts
        rows.append({name: row[name] for name in SCHEMA.names})
        measured.append({name: row[name] for name in MEASURED.names})
    return pa.Table.from_pylist(rows, SCHEMA), pa.Table.from_pylist(measured, MEASURED)


@pytest.mark.parametrize("seed", range(4))
def test_both_find_the_same_and_say_it_in_the_same_words(seed):
    manifest, measured = dirty(seed)
    declared = Declared(**DECLARED, samples=len(manifest))
    lines, findings = run_rules(manifest, measured, declared, Limits())
    by_suite = run_suite(manifest, measured, declared, Limits())
    assert lines == by_suite[0]
    assert (
        [one for one in findings if one not in by_suite[1]] == [one for one in by_suite[1] if one not in findings] == []
    )
    assert findings == by_suite[1]
    assert len(findings) > 20


def test_all_reasons_of_the_rules_are_found_over_some_seeds():
    found = set()
    for seed in range(12):
        manifest, measured = dirty(seed)
        found |= {one.reason for one in run_rules(manifest, measured, Declared(**DECLARED, samples=80), Limits())[1]}
    held = {rule.reason for rule in rules(Declared(**DECLARED, samples=80), Limits())} - {None}
    assert found == held
    assert all(REASONS[code].broken and VALIDATE in REASONS[code].found_by for code in held)


def test_a_wrong_number_of_rows_is_refused_by_both_in_the_same_words():
    manifest, measured = dirty(0)
    said = []
    for run in (run_rules, run_suite):
        with pytest.raises(
            DataError, match=r"has 80 rows, but it has as many rows as source.json says \(81\)"
        ) as caught:
            run(manifest, measured, Declared(**DECLARED, samples=81), Limits())
        said.append(str(caught.value))
    assert said[0] == said[1]
