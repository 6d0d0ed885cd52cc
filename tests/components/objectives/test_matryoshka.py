"""Any contrast on the first dimensions too: by hand, against sentence_transformers', and as a recipe names it."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.objective import Contrast
from components.objectives.matryoshka import Matryoshka
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "matryoshka.json").read_text())
RTOL, ATOL = 1e-5, 1e-6  # as of test_softmax.py


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"widths={case['widths']}")
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    nested = Matryoshka(SoftmaxLoss(), tuple(case["widths"]), tuple(case["weights"]))
    loss = nested(**inputs, scale=torch.tensor(case["scale"]))
    assert loss.item() == pytest.approx(case["loss"], rel=RTOL)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=RTOL, atol=ATOL)


def rows(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw) for shape in shapes]


def test_it_is_the_sum_over_widths_and_each_is_made_of_unit_length_anew():
    image, text = rows(1, (4, 8), (4, 8))
    scale, bias, plain = torch.tensor(5.0), torch.tensor(-3.0), SigmoidLoss()
    shorter = [plain(normalize(image[:, :n], dim=-1), normalize(text[:, :n], dim=-1), scale, bias) for n in (4, 2)]
    wanted = plain(image, text, scale, bias) + 0.5 * shorter[0] + 2 * shorter[1]
    wrapped = Matryoshka(SigmoidLoss(), widths=(0.5, 2), weights=(0.5, 2.0))
    torch.testing.assert_close(wrapped(image, text, scale, bias), wanted)


def test_what_a_method_brings_besides_is_handed_on_and_what_has_dimensions_is_cut():
    image, text, more = rows(2, (4, 8), (4, 8), (3, 8))
    scale, mask = torch.tensor(5.0), torch.rand(4, 4, generator=torch.Generator().manual_seed(3)) > 0.5
    given = {"mask": mask, "weights": torch.tensor([1.0, 0.0, 2.0, 1.0])}
    plain = SoftmaxLoss()
    half = plain(image[:, :4], text[:, :4], scale, more_texts=more[:, :4], **given)
    wanted = plain(image, text, scale, more_texts=more, **given) + half
    torch.testing.assert_close(Matryoshka(plain, widths=(4,))(image, text, scale, more_texts=more, **given), wanted)


def learnt(objective: Contrast, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Project two noisy views of 96 points in 10 dimensions to 16, until the contrast has been followed for 120 steps."""
    draw = torch.Generator().manual_seed(seed)
    points = torch.randn(96, 10, generator=draw)
    views = [points @ torch.randn(10, 20, generator=draw) + torch.randn(96, 20, generator=draw) for _ in range(2)]
    maps = [(torch.randn(20, 16, generator=draw) / 20**0.5).requires_grad_() for _ in range(2)]
    optimizer = torch.optim.Adam(maps, lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        objective(*(view @ to for view, to in zip(views, maps, strict=True)), torch.tensor(10.0)).backward()
        optimizer.step()
    image, text = ((view @ to).detach() for view, to in zip(views, maps, strict=True))
    return image, text


def recall(image: torch.Tensor, text: torch.Tensor, width: int) -> float:
    scores = normalize(image[:, :width], dim=-1) @ normalize(text[:, :width], dim=-1).T
    return (scores.argmax(1) == torch.arange(len(scores))).float().mean().item()


@pytest.mark.parametrize("seed", range(3))
def test_what_was_learnt_so_can_be_cut_and_what_was_not_cannot(seed):
    plain, nested = learnt(SoftmaxLoss(), seed), learnt(Matryoshka(SoftmaxLoss(), widths=(0.5, 0.25)), seed)
    assert recall(*plain, 16) == recall(*nested, 16) == 1
    assert recall(*nested, 8) > max(0.97, recall(*plain, 8))
    assert recall(*nested, 4) > recall(*plain, 4) + 0.15


def test_the_order_of_dimensions_matters_now():
    image, text = rows(4, (4, 8), (4, 8))
    scale, turned = torch.tensor(5.0), torch.arange(8).flip(0)
    plain, nested = SoftmaxLoss(), Matryoshka(SoftmaxLoss(), widths=(0.25,))
    torch.testing.assert_close(plain(image[:, turned], text[:, turned], scale), plain(image, text, scale))
    assert abs(nested(image[:, turned], text[:, turned], scale) - nested(image, text, scale)) > 1e-3


def test_it_stands_around_another_as_well():
    image, text = rows(5, (4, 8), (4, 8))
    twice = Matryoshka(Matryoshka(SoftmaxLoss(), widths=(0.5,)), widths=(4,))
    plain, scale = SoftmaxLoss(), torch.tensor(5.0)
    eight, four, two = (plain(image[:, :n], text[:, :n], scale) for n in (8, 4, 2))
    torch.testing.assert_close(twice(image, text, scale), eight + 2 * four + two)
    assert twice.innermost is twice.objective.objective
    assert not twice.wants_bias
    assert Matryoshka(Matryoshka(SigmoidLoss())).wants_bias


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"widths": (0,)}, "widths has 0, but"),
        ({"widths": (-4,)}, "widths has -4"),
        ({"widths": (2.5,)}, "widths has 2.5, but"),
        ({"widths": (float("nan"),)}, "widths has nan"),
        ({"widths": ()}, r"widths is \[\], but each width stands there once"),
        ({"widths": (0.5, 0.5)}, r"widths is \[0.5, 0.5\], but each"),
        ({"widths": (0.5,), "weights": (1.0, 1.0)}, r"weights is \[1, 1\], but must have a number above 0 for each of the 1"),
        ({"widths": (0.5,), "weights": (0.0,)}, r"weights is \[0\]"),
    ],
)  # fmt: skip
def test_numbers_that_mean_nothing_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        Matryoshka(SoftmaxLoss(), **given)


@pytest.mark.parametrize(
    ("widths", "found"), [((16,), r"\[16\]"), ((20, 4), r"\[20, 4\]"), ((0.01,), r"\[0\]"), ((8, 0.5), r"\[8, 8\]")]
)
def test_widths_that_do_not_fit_the_model_are_refused_before_training(widths, found):
    outer = Matryoshka(Matryoshka(SoftmaxLoss(), widths=widths))
    with pytest.raises(ConfigError, match=f"with 16 dimensions is {found}: each must be another number from 1 to 15"):
        outer.check_width(16)
