"""The loss of a student and its teacher against lightly's, by hand, and what moves its centre (seed 32)."""

import json
import math
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError
from components.objectives.dino import DinoLoss, signs_of_life

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "dino.json").read_text())
K = 6


def scores(views: int, seed: int = 0, rows: int = 5) -> torch.Tensor:
    return torch.randn(views, rows, K, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_value_gradient_and_centre_are_lightlys_over_two_steps(case):
    loss = DinoLoss(K)
    for step in case["steps"]:
        loss.start_temperature = loss.teacher_temperature = step["temperature"]
        teacher, student = torch.tensor(step["teacher"]), torch.tensor(step["student"], requires_grad=True)
        value = loss(student, loss.targets(teacher))
        value.backward()
        assert value.item() == pytest.approx(step["loss"], rel=1e-5)
        torch.testing.assert_close(student.grad, torch.tensor(step["gradient"]), rtol=1e-5, atol=1e-7)
        loss.follow(teacher)
        torch.testing.assert_close(loss.centre, torch.tensor(step["centre"]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("large", "small"), [(2, 0), (2, 4), (3, 1), (1, 2)])
def test_it_is_the_mean_of_all_pairs_of_different_views(large, small):
    """2 (2 + M) - 2 of them where the teacher has two."""
    loss, student, teacher = DinoLoss(K), scores(large + small), scores(large, seed=1)
    targets = loss.targets(teacher)
    each = [
        -(targets[g] * (student[v] / 0.1).log_softmax(-1)).sum(-1).mean()
        for g in range(large)
        for v in range(large + small)
        if v != g
    ]
    assert len(each) == large * (large + small) - large
    torch.testing.assert_close(loss(student, targets), sum(each) / len(each))


def test_where_all_views_have_one_answer_it_is_the_entropy_of_it():
    loss, row = DinoLoss(K, student_temperature=0.07), scores(1)
    targets = loss.targets(row.expand(2, -1, -1))
    shares = (row[0] / 0.07).softmax(-1)
    entropy = -(shares * shares.log()).sum(-1).mean()
    torch.testing.assert_close(loss(row.expand(5, -1, -1), targets), entropy)


def test_asking_changes_nothing_and_no_gradient_reaches_teacher_or_centre():
    loss, student, teacher = DinoLoss(K), scores(3).requires_grad_(), scores(2, seed=1).requires_grad_()
    loss(student, loss.targets(teacher)).backward()
    assert student.grad.any()
    assert teacher.grad is None
    assert not loss.centre.requires_grad
    assert not loss.centre.any()
    loss.follow(teacher)
    torch.testing.assert_close(loss.centre, 0.1 * teacher.detach().mean((0, 1)))
    assert "centre" in loss.state_dict()


def test_the_temperature_rises_in_a_line_and_stays():
    loss = DinoLoss(K, start_temperature=0.04, teacher_temperature=0.08, warmup=0.5)
    assert [loss.temperature(done) for done in (0, 0.25, 0.5, 1)] == pytest.approx([0.04, 0.06, 0.08, 0.08])
    assert DinoLoss(K, warmup=0.0).temperature(0.0) == pytest.approx(0.07)
    sharp, soft = (loss.targets(scores(2), done).max(-1).values for done in (0.0, 1.0))
    assert (sharp > soft).all()


def test_it_is_one_finite_number_in_float32_also_of_bf16():
    loss = DinoLoss(K)
    for length in (1e-4, 1.0, 1e4):
        student = (scores(3) * length).bfloat16().requires_grad_()
        value = loss(student, loss.targets((scores(2, seed=1) * length).bfloat16()))
        assert (value.shape, value.dtype) == ((), torch.float32)
        assert value.isfinite()
        assert torch.autograd.grad(value, student)[0].isfinite().all()


def test_signs_of_life_tell_either_end_from_a_teacher_that_says_something():
    even, one = torch.full((2, K, K), 1 / K), torch.eye(K)[:1].expand(2, K, K)
    alive = torch.eye(K).expand(2, K, K)
    told = {name: signs_of_life(rows) for name, rows in (("even", even), ("one", one), ("alive", alive))}
    assert {name: round(float(its["spread"]), 5) for name, its in told.items()} == {"even": 1, "one": 0, "alive": 1}
    assert {name: round(float(its["variety"]), 5) for name, its in told.items()} == {
        "even": 0, "one": 0, "alive": round(1 - 1 / K, 5),
    }  # fmt: skip
    half = torch.eye(K)[[0, 1] * (K // 2)].expand(2, K, K)
    assert float(signs_of_life(half)["spread"]) == pytest.approx(math.log(2) / math.log(K), rel=1e-5)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"prototypes": 1}, "there are 1 prototypes"), ({"prototypes": 4, "student_temperature": 0.0}, "lowest temperature is 0"),
        ({"prototypes": 4, "momentum": 1.0}, r"momentum is 1\.0"), ({"prototypes": 4, "warmup": 1.5}, r"warmup 1\.5"),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        DinoLoss(**numbers)


@pytest.mark.parametrize(("seen", "taught"), [(1, 1), (2, 3), (2, 0)])
def test_views_that_nobody_can_be_taught_by_are_refused(seen, taught):
    loss = DinoLoss(K)
    with pytest.raises(ConfigError, match=f"the student has {seen} views and the teacher {taught}"):
        loss(scores(seen), scores(taught))
