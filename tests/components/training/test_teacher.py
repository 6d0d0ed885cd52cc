"""A copy that follows or stays, learns nothing, and lies in the checkpoint of the method that keeps it."""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.training.numbers import Optimisation
from components.training.param_groups import param_groups
from components.training.teacher import Teacher


class Taught(Clip):
    """A CLIP that keeps a teacher, as methods with one do."""

    def __init__(self, *parts, kind="ema"):
        super().__init__(*parts)
        self.teacher = Teacher(self.model, kind=kind, decay=0.9)

    def after_step(self, clock):
        super().after_step(clock)
        self.teacher.follow(self.model)


@pytest.fixture(params=["ema", "frozen"])
def taught(request, method) -> Taught:
    return Taught(method.model, method.objective, kind=request.param)


def moved(taught: Taught) -> None:
    """Move the student as an optimizer would, and let the teacher follow."""
    with torch.no_grad():
        for parameter in taught.model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    taught.after_step(Clock(step=1, total_steps=2, epoch=0))


def test_it_starts_as_the_student_and_follows_by_its_decay_or_stays(taught):
    before = [parameter.clone() for parameter in taught.model.parameters()]
    assert all(map(torch.equal, taught.teacher.model.parameters(), before))
    for _ in range(3):
        moved(taught)
        students = list(taught.model.parameters())
        before = [
            old if taught.teacher.kind == "frozen" else 0.9 * old + 0.1 * new
            for old, new in zip(before, students, strict=True)
        ]
    for own, wanted in zip(taught.teacher.model.parameters(), before, strict=True):
        torch.testing.assert_close(own, wanted)


def test_it_answers_without_gradient_and_as_in_evaluation(taught, batches):
    taught.train()
    batch = batches[0]
    assert not any(part.training for part in taught.teacher.modules())
    said = taught.teacher.encode_image(batch.images["main"]).pooled
    assert torch.equal(said, taught.teacher.encode_image(batch.images["main"]).pooled)
    assert not said.requires_grad
    assert not taught.teacher.encode_text(batch.texts["caption"]).pooled.requires_grad
    assert not taught.teacher.logit_scale().requires_grad


def test_no_optimizer_moves_it(taught):
    listed = [
        id(one) for group in param_groups(taught, Optimisation(lr=1e-3, weight_decay=0.1)) for one in group["params"]
    ]
    assert sorted(listed) == sorted(map(id, taught.model.parameters()))


def test_the_buffers_of_batch_norm_are_the_students(taught, batches):
    taught.train()
    taught.model.encode_image(batches[0].images["main"])
    taught.teacher.follow(taught.model)
    same = [torch.equal(*pair) for pair in zip(taught.teacher.model.buffers(), taught.model.buffers(), strict=True)]
    assert all(same) == (taught.teacher.kind == "ema")


def test_a_checkpoint_of_the_method_has_it(taught, method):
    moved(taught)
    torch.manual_seed(9)
    other = Taught(method.model, method.objective, kind=taught.teacher.kind)
    other.load_state_dict(taught.state_dict())
    for name, value in taught.teacher.state_dict().items():
        assert torch.equal(other.teacher.state_dict()[name], value), name
    assert any(name.startswith("teacher.model.image.") for name in taught.state_dict())


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_that_is_no_share_is_refused(method, decay):
    with pytest.raises(ConfigError, match="kind: frozen"):
        Teacher(method.model, decay=decay)
