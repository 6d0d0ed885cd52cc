"""Checkouts side by side: who has which cores, who waits for whom, and what becomes of the others when one fails."""

import pytest

from components.contracts.errors import ConfigError
from components.data.processes import cores
from flows.proving.at_once import Checkout, Todo, bring_up_all, parts
from tests.workspace import make_workspace


@pytest.mark.parametrize(
    ("cores_", "count", "shares"),
    [
        ([0, 1], 2, [[0], [1]]),
        ([0, 1, 2, 3, 4], 2, [[0, 1], [2, 3, 4]]),
        ([3, 5, 7], 3, [[3], [5], [7]]),
        ([0, 1], 1, [[0, 1]]),
    ],
)
def test_cores_are_shared_out(cores_, count, shares):
    assert parts(cores_, count) == shares


@pytest.mark.parametrize("count", [0, -1, 10_000])
def test_more_at_once_than_cores_or_none_is_refused(count):
    with pytest.raises(ConfigError, match=f"--jobs {count}: each needs a core, and {cores()} are here"):
        next(bring_up_all({}, count))


@pytest.mark.skipif(cores() < 2, reason="two side by side need two cores")
def test_one_that_fails_is_told_by_its_kind_and_those_that_wait_for_it_never_begin(tmp_path):
    root, begun = make_workspace(tmp_path / "own"), []

    def todo(name, *before):
        def make():
            begun.append(name)
            return Checkout(root, name, "ingest")

        return Todo(after=frozenset(before), make=make, log=tmp_path / f"{name}.log")

    whole = bring_up_all({("no_such", 0): todo("no_such"), ("clip", 0): todo("clip", ("no_such", 0))}, 2)
    with pytest.raises(ConfigError, match=r"'no_such' is not among them.*log in .*no_such\.log"):
        next(whole)
    assert begun == ["no_such"]
