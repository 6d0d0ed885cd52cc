"""A fault is named and counted; only Triton's own readers are let off."""

import random

from tests.drills import fuzz_gateway
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


def test_a_fuzz_that_drew_nothing_shows_nothing():
    well = {"same_answers": True, "ready": True, "same_process": True}
    came = {"http": Came(), "grpc": Came()}
    for one in came.values():
        one.take("400", False, "bad")
    assert fuzz_gateway.judged(10, 0, came, well)["passed"]
    assert not fuzz_gateway.judged(0, 0, came, well)["passed"]
    assert not fuzz_gateway.judged(10, 1, came, well)["passed"]
    assert not fuzz_gateway.judged(10, 0, {**came, "grpc": Came()}, well)["passed"]
    assert not fuzz_gateway.judged(10, 0, came, {**well, "ready": False})["passed"]
    came["http"].take("500", True, "Internal Server Error")
    said = fuzz_gateway.judged(10, 0, came, well)
    assert (said["passed"], said["lost"]) == (False, 1)


def test_the_page_says_what_came_of_it_and_that_nothing_was_measured_where_it_was_not():
    came = {"http": Came(), "grpc": Came()}
    came["http"].take("500", True, "unable to parse 7")
    came["grpc"].take("OK", False, "")
    said = fuzz_gateway.judged(1234, 0, came, {"same_answers": True, "ready": True, "same_process": True})
    page = fuzz_gateway.page({**said, "command": "it", "commit": "0", "machine": "2 cores"})
    assert "drew 1,234 requests" in page
    assert "1 over HTTP (1 answered with a fault of its own readers) and 1 over gRPC (0 " in page
    assert "the drill passed" in page
    assert "*not measured*" in fuzz_gateway.page(None)
