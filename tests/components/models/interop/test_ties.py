"""The same numbers under two names: there and back, and what is said where names or sizes differ."""

import pytest
import torch

from components.contracts.errors import DataError
from components.models.interop.ties import Tie, affine, stacked, tie, to_ours, to_theirs

TIES = [
    tie("projection", "proj", turned=True),
    tie("class", "class_embedding", bare=2),
    tie("scale", "logit_scale", bare=-1),
    *stacked(["qkv"], ["q_proj", "k_proj", "v_proj"]),
    Tie(ours=("query", "rest"), theirs=("in_proj",)),
    *affine("norm", "ln"),
]
OURS = {
    "projection": torch.rand(2, 3), "class": torch.rand(1, 1, 4), "scale": torch.tensor(2.0),
    "qkv.weight": torch.rand(6, 2), "qkv.bias": torch.rand(6), "query": torch.rand(2, 2), "rest": torch.rand(4, 2),
    "norm.weight": torch.rand(3), "norm.bias": torch.rand(3),
}  # fmt: skip
SHAPES = {name: value.shape for name, value in OURS.items()}


@pytest.fixture
def theirs():
    return to_theirs(OURS, TIES)


def test_they_come_back_as_they_were(theirs):
    back = to_ours(theirs, TIES, SHAPES)
    assert set(back) == set(OURS)
    assert all(torch.equal(back[name], value) for name, value in OURS.items())


def test_each_has_their_form(theirs):
    assert {name: tuple(value.shape) for name, value in theirs.items()} == {
        "proj": (3, 2), "class_embedding": (4,), "logit_scale": (1,), "in_proj": (6, 2), "ln.weight": (3,), "ln.bias": (3,),
        **{f"{part}_proj.weight": (2, 2) for part in "qkv"}, **{f"{part}_proj.bias": (2,) for part in "qkv"},
    }  # fmt: skip
    assert torch.equal(theirs["proj"], OURS["projection"].T)
    assert torch.equal(theirs["k_proj.bias"], OURS["qkv.bias"][2:4])
    assert torch.equal(theirs["in_proj"][2:], OURS["rest"])


def test_halves_become_floats(theirs):
    half = {name: value.half() for name, value in theirs.items()}
    assert {value.dtype for value in to_ours(half, TIES, SHAPES).values()} == {torch.float32}


def test_missing_and_unknown_keys_are_named_with_the_nearest(theirs):
    theirs["k_projection.weight"] = theirs.pop("k_proj.weight")
    theirs["another"] = torch.rand(1)
    with pytest.raises(
        DataError, match=r"lacks k_proj\.weight \(there is k_projection\.weight\); it has .*: another, k_projection"
    ):
        to_ours(theirs, TIES, SHAPES)


def test_ten_keys_are_named_and_the_rest_counted(theirs):
    extra = {f"deep.{number:02}": torch.rand(1) for number in range(14)}
    with pytest.raises(DataError, match=r"deep\.00, .*deep\.09 and 4 more"):
        to_ours(theirs | extra, TIES, SHAPES)


def test_what_holds_nothing_learned_may_be_dropped(theirs):
    assert to_ours(theirs | {"position_ids": torch.arange(4)}, TIES, SHAPES, dropped=("position_ids",))


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("proj", (4, 2), r"proj is \[4, 2\], but projection \[2, 3\]"),
        ("class_embedding", (5,), r"class_embedding is \[5\], but class \[1, 1, 4\]"),
        ("v_proj.weight", (3, 2), r"v_proj.weight is \[3, 2\], but qkv.weight \[6, 2\]"),
        ("q_proj.weight", (2, 5), r"q_proj.weight is \[2, 5\], .* but qkv.weight"),
        ("in_proj", (7, 2), r"in_proj is \[7, 2\], but query \[2, 2\], rest \[4, 2\]"),
    ],
)
def test_another_size_is_said_with_both(theirs, name, shape, said):
    theirs[name] = torch.rand(shape)
    with pytest.raises(DataError, match=rf"1 tensors of the checkpoint are of another size.*{said}"):
        to_ours(theirs, TIES, SHAPES)
