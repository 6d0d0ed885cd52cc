"""A fault is named and counted; only Triton's own readers are let off."""

import random

from tests.drills.fuzzed_tensors import Came, called, drawn


def test_like_faults_are_counted_together_by_their_sentence():
    came = Came()
    came.take("500", True, '{"error":"Unable to parse \'shape\': at 12"}')
    came.take("500", True, '{"error":"Unable to parse \'shape\': at 7"}')
    came.take("400", False, "bad")
    assert came.told() == {
        "asked": 3, "codes": {"400": 1, "500": 2}, "faults": {'500: {"error":"Unable to parse \'shape\': at #"}': 2},
    }  # fmt: skip
    assert came.unknown() == 0


def test_what_is_no_fault_of_a_reader_counts_against_the_server():
    came = Came()
    came.take("INTERNAL", True, "Unable to parse request")
    assert came.unknown() == 0
    came.take("INTERNAL", True, "the request failed (KeyError)")
    came.take("GONE", True, "")
    came.take("500", True, "Internal Server Error")
    assert came.unknown() == 3


def test_the_same_seed_asks_the_same_and_much_of_it_is_different():
    def ask(seed):
        rng = random.Random(seed)
        return [(str(drawn(rng, False)), called(rng, False).SerializeToString()) for _ in range(100)]

    assert ask(1) == ask(1)
    assert len({one for one, _ in ask(1)}) > 50
    assert len({one for _, one in ask(1)}) > 50
