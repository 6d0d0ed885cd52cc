"""A pool with a picture that the start was trained on is for a person; a start of which nobody knows is told of, and stops nothing."""

import pyarrow as pa
import pytest

from components.contracts.promotion import Rules
from components.evaluation.gate import judge
from components.evaluation.outcomes import Evaluated
from components.evaluation.start_leaks import start_leaks

PAIR = ("a", "b", "c", "d")


def evaluated(*columns: str) -> Evaluated:
    rows = {
        "split": ["pair"] * len(PAIR) + ["val"], "query": [*PAIR, "e"], "leaked": [False] * 5,
        "fingerprint": [f"pixels of {key}" for key in (*PAIR, "e")],
    }  # fmt: skip
    metric = {"value": 0.5, "n": 4, "unit": "fraction"}
    kept = pa.table({name: rows[name] for name in columns or rows})
    return Evaluated(label="clip@2", metrics={Rules().primary: metric}, rows={"leakage": kept})


def of(*keys: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([f"pixels of {key}" for key in keys], pa.string())])


def outcome(findings) -> str:
    return judge(evaluated(), None, Rules(), also=findings).outcome


def test_each_pool_that_has_one_is_for_a_person_and_it_is_named_with_whose_it_was():
    found = start_leaks(evaluated(), {"clip@1": of("b", "d", "e", "z"), "first@1": of("y")})
    assert [(one.metric, one.held, one.ours, one.says.partition(":")[0]) for one in found] == [
        ("leakage.pair", "uncertain", 0.5, "2 of 4 pictures of pair are what it began as, clip@1, was trained on, such as b, d"),
        ("leakage.val", "uncertain", 1.0, "1 of 1 pictures of val are what it began as, clip@1, was trained on, such as e"),
    ]  # fmt: skip
    assert all("Begin from a model that has not seen them" in one.says for one in found)
    assert outcome(found) == "needs_a_person"


def test_where_it_was_trained_on_none_that_holds():
    (found,) = start_leaks(evaluated(), {"clip@1": of("y", "z"), "first@1": of()})
    assert (found.rule, found.held) == ("leakage", "holds")
    assert "clip@1 and first@1 was trained on no picture" in found.says
    assert outcome([found]) == "promoted"


@pytest.mark.parametrize("trained", [{}, {"clip@1": of("z")}])
def test_a_start_of_which_nobody_knows_is_told_of_and_stops_nothing(trained):
    *_, found = start_leaks(evaluated(), trained, ["models/theirs-1234"])
    assert (found.held, outcome([found])) == ("told", "promoted")
    assert "nobody here knows what models/theirs-1234 was trained on" in found.says


def test_an_evaluation_from_before_fingerprints_were_kept_is_told_of_where_there_is_a_start():
    (found,) = start_leaks(evaluated("split", "query", "leaked"), {"clip@1": of("a")})
    assert (found.held, "Make it again: dvc repro" in found.says) == ("told", True)
    assert start_leaks(evaluated("split", "query", "leaked"), {}) == []
