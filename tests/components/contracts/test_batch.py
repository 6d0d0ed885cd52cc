"""A batch moves as a whole, at any depth, and is another value after that."""

from dataclasses import FrozenInstanceError

import pytest
import torch
from torch.nn.functional import pad

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


def test_texts_of_the_same_tokens_have_one_label_however_wide_they_are_padded():
    ids = torch.tensor([[1, 5, 6, 2], [1, 6, 5, 2], [1, 5, 2, 0], [1, 5, 6, 2], [1, 0, 5, 2]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=torch.bool)
    labels = Texts(ids=ids, mask=mask).labels()
    wider = Texts(ids=pad(ids, (0, 3), value=9), mask=pad(mask, (0, 3))).labels()
    assert torch.equal(labels, wider)
    assert labels[0] == labels[3]
    assert len(set(labels.tolist())) == 4


def test_labels_of_many_texts_do_not_meet():
    ids = torch.cartesian_prod(*[torch.arange(24)] * 4)  # 331,776 texts
    assert len(Texts(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool)).labels().unique()) == len(ids)
