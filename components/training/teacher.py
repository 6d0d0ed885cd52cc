"""A slow or frozen copy of the model that is trained, for methods that learn from their own past.

Sources: He et al. 2020, arXiv:1911.05722, equation 2 (the moving average); Li et al. 2021, arXiv:2107.07651, section 3.2.
Differs: buffers, such as BatchNorm's, are taken over as they are.
"""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded
from components.contracts.errors import CapabilityError, ConfigError
from components.models.dual_encoder import DualEncoder
from components.training.sharding import local

TeacherKind = Literal["ema", "frozen"]


class Teacher(nn.Module):
    """Answers what the model answers, without gradient and always as in evaluation; a method keeps it, so checkpoints have it.

    Args:
        student: whose weights it starts with.
        kind: `ema` follows the student, `frozen` stays as it began.
        decay: share of its own weights that it keeps at each step, in [0, 1); 0.995 in ALBEF.
    """

    def __init__(self, student: DualEncoder, kind: TeacherKind = "ema", decay: float = 0.995) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ConfigError(
                f"decay is {decay}, but it is the share of its own weights that the teacher keeps at a step. Use 0.99 to "
                "0.9999, the more the longer the training; a teacher that never moves is kind: frozen."
            )
        self.kind, self.decay = kind, decay
        self.model = copy.deepcopy(student).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in evaluation mode, whatever the method around it does."""
        return super().train(False)

    @torch.no_grad()
    def encode_image(self, images: Images, need: Sequence[str] = ()) -> Encoded:
        """Return the pictures as the teacher sees them, and what is needed beside."""
        return self.model.encode_image(images, need)

    @torch.no_grad()
    def encode_text(self, texts: Texts, need: Sequence[str] = ()) -> Encoded:
        """Return the texts as the teacher reads them, and what is needed beside."""
        return self.model.encode_text(texts, need)

    @torch.no_grad()
    def logit_scale(self) -> Tensor:
        """Return the teacher's scale, float []."""
        return self.model.logit_scale()

    @torch.no_grad()
    def take(self, student: DualEncoder) -> None:
        """Become what the student is now; a method calls it where the student's weights were not there from the start."""
        self.check(student)
        self.model.load_state_dict(student.state_dict())

    def check(self, student: nn.Module) -> None:
        """Raise CapabilityError for a student that has other weights than it had, which can be neither taken nor followed."""
        own, others = (dict(one.named_parameters()) for one in (self.model, student))
        if new := [name for name in others if name not in own]:
            raise CapabilityError(
                f"the model has got weights that its teacher has not, such as {new[0]} ({len(new)} of them), so that a teacher that follows it "
                "weight by weight would become the mean of unlike numbers. Tune by a strategy that puts nothing into the model, such as "
                "components.finetuning.locked.LockedImage or components.finetuning.last_layers.LastLayers, or by a method without a "
                "teacher that follows."
            )

    def follow(self, student: DualEncoder, decay: float | None = None) -> None:
        """Move towards the student, or not; a method calls it after each optimizer step, with a decay of that step where it changes."""
        if self.kind == "ema":
            move_towards(self.model, student, self.decay if decay is None else decay)


@torch.no_grad()
def move_towards(slow: nn.Module, fast: nn.Module, decay: float) -> None:
    """Keep a share of a copy's weights and take the rest from what it is a copy of; buffers are taken over as they are."""
    ours: list[Tensor] = [*map(local, slow.parameters())]  # both are split alike, if they are
    theirs: list[Tensor] = [*map(local, fast.parameters())]
    torch._foreach_lerp_(ours, theirs, 1 - decay)
    for own, other in zip(slow.buffers(), fast.buffers(), strict=True):
        own.copy_(other)
