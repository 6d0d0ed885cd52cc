"""The benchmark of few tokens measures both sides of both steps, and a side that compares less."""

from tests.benchmarks.reduced_tokens import CASES, measured


def test_both_sides_of_both_steps_are_measured():
    told = measured((16, 4, 32, 8), pairs=4, turns=1)
    assert (told["tokens"], told["left"]) == (16, 4)
    for what in ("scores", "step"):
        assert told[what]["all_s"] > 0
        assert told[what]["few_s"] > 0
        assert told[what]["least"] <= told[what]["ratio"] <= told[what]["most"]
    assert all(left < whole for whole, left, _, _ in CASES.values())
