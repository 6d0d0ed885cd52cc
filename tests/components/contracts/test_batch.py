"""A batch moves as a whole, at any depth, and is another value after that."""

from dataclasses import FrozenInstanceError

import pytest
import torch

from components.contracts.batch import Batch, Images, Texts, stack_ids


@pytest.fixture
def batch() -> Batch:
    return Batch(
        keys=("a", "b"),
        images={"main": Images(pixels=torch.zeros(2, 3, 4, 4), owner=torch.tensor([0, 1]))},
        texts={"caption": Texts(ids=torch.ones(2, 5).long(), mask=torch.ones(2, 5).bool())},
        ids={"concept": stack_ids([3, 4])},
    )


def test_every_tensor_moves_and_the_rest_stays(batch):
    moved = batch.to("meta")
    tensors = [moved.images["main"].pixels, moved.images["main"].owner, moved.texts["caption"].ids]
    tensors += [moved.texts["caption"].mask, moved.ids["concept"]]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert (moved.keys, len(moved), moved.texts["caption"].owner) == (("a", "b"), 2, None)
    assert batch.images["main"].pixels.device.type == "cpu"


def test_what_tensor_to_takes_is_passed_on(batch):
    assert batch.images["main"].to(torch.float64).pixels.dtype == torch.float64


def test_a_batch_is_not_changed_in_place(batch):
    with pytest.raises(FrozenInstanceError):
        batch.keys = ()


def test_ids_are_whole_numbers_of_64_bits():
    assert stack_ids([1, 2]).dtype == torch.int64
