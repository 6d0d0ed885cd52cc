"""Two real ranks, started by torchrun, find what one process finds, to the last digit, and each does about half of it."""

import json
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from components.evaluation.ranks import device, in_pieces, sharing
from flows.evaluate import Asked, evaluate
from tests.components.evaluation.measuring import EVALUATORS, GIVEN, measured
from tests.over_ranks import torchrun
from tests.squares import square_pool
from tests.their_sets import write_set

WORLD = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where two ranks have measured."""
    folder, squares = tmp_path_factory.mktemp("ranks"), square_pool()
    rows = [
        {"png": data, "txt": f"{name}\n".encode()}
        for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    ]
    write_set(folder / "sayings", rows)
    torchrun(Path(__file__).with_name("measuring.py"), folder, WORLD)
    return folder


@pytest.fixture(scope="module")
def told(folder) -> list[dict[str, Any]]:
    """What each rank says."""
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(WORLD)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, Any]:
    """What one process says."""
    said: dict[str, Any] = json.loads(json.dumps(measured(tmp_path_factory.mktemp("alone"))))
    return said


def test_every_evaluator_finds_the_same_to_the_last_digit(told, alone):
    assert set(EVALUATORS) <= set(alone)
    for rank in told:
        for name in {*alone} - {"encoded"}:
            assert rank[name] == alone[name], name


def test_each_rank_encodes_about_half(told, alone):
    for rank in told:
        assert 0.4 < rank["encoded"] / alone["encoded"] < 0.65


def test_arrays_of_any_shape_and_kind_reach_all(told):
    assert told[0]["pieces"] == told[1]["pieces"]
    assert told[1]["pieces"][0] == [[], [], "float16", "bool"]
    assert told[1]["pieces"][3] == [[[3.0, 3.0]] * 3, [False, False, True], "float16", "bool"]


def test_a_set_is_measured_by_all_and_written_by_one(folder, tmp_path):
    evaluate(Asked(path=GIVEN, batch=8), [folder / "sayings"], tmp_path / "alone", as_json=False)
    ours, theirs = (
        json.loads((to / "sayings/metrics.json").read_text()) for to in (folder / "found", tmp_path / "alone")
    )
    assert ours == theirs
    rows = [
        pq.read_table(to / "sayings/rows/retrieval.sayings.parquet") for to in (folder / "found", tmp_path / "alone")
    ]
    assert rows[0].equals(rows[1])


def test_alone_nothing_is_shared():
    with sharing() as share:
        assert (share.rank, share.world) == (0, 1)
        assert in_pieces(lambda start: (start,), [3, 1]) == [(3,), (1,)]


def test_several_pieces_at_once_come_in_their_order_with_what_the_caller_has_set():
    said, both, known = [], threading.Barrier(2), ContextVar("known")
    known.set("by the caller")
    before = torch.get_num_threads()

    def piece(start: int) -> tuple[Any, ...]:
        both.wait(60)  # passed only where two are worked at the same time
        return start, known.get(), torch.is_inference_mode_enabled(), torch.get_num_threads()

    def after(start: int) -> None:
        said.append((start, threading.current_thread() is threading.main_thread()))

    with torch.inference_mode():
        found = in_pieces(piece, [3, 1, 2, 0], 2, after)
    assert found == [(start, "by the caller", True, max(before // 2, 1)) for start in (3, 1, 2, 0)]
    assert said == [(start, True) for start in (3, 1, 2, 0)]
    assert torch.get_num_threads() == before


def test_where_a_piece_fails_those_that_wait_are_not_begun():
    before, begun, held = torch.get_num_threads(), [], threading.Event()

    def piece(start: int) -> tuple[Any, ...]:
        begun.append(start)
        if start == 1:
            raise ValueError("no picture")
        held.wait(0.5)
        return (start,)

    with pytest.raises(ValueError, match="no picture"):
        in_pieces(piece, [1, *range(2, 40)], 2)
    assert len(begun) < 10
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("gpus", "rank", "said"), [(0, "1", "cpu"), (1, None, "cuda:0"), (2, "1", "cuda:1"), (2, "3", "cuda:1"), (1, "2", "cuda:0")]
)  # fmt: skip
def test_ranks_beyond_the_gpus_share_them_in_turn(monkeypatch, gpus, rank, said):
    """What torch says of a machine is set, since most that run this have no GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert device() == said
