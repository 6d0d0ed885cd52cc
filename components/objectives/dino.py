"""A student should say of each view of a picture what its slow teacher says of another view of it.

Source: Caron et al. 2021, arXiv:2104.14294, section 3.1 and algorithm 1 (DINO), as Silva et al. 2024, arXiv:2410.23370, set it beside CLIP's contrast.
Differs: the centre moves when it is told to, so that asking for the loss changes nothing.
Golden: lightly DINOLoss, value and gradient, float32, rtol 1e-5.
Axes: V views of the student, the first G of which are the teacher's; R rows, K prototypes.
"""

import math

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from components.contracts.errors import ConfigError
from components.contracts.objective import Objective


class DinoLoss(Objective):
    """Cross-entropy of the student's answer from the teacher's, which is centred and sharper; over all pairs of different views.

    The centre is a buffer, the running mean of what the teacher says: without it one prototype comes to take all pictures. A sharp teacher
    keeps them from being shared out evenly, whatever they show.

    Args:
        prototypes: K; 65536 in the paper.
        student_temperature: what the student's scores are divided by; 0.1 in the paper.
        teacher_temperature: the same of the teacher's, from the end of the warm-up on; 0.04 to 0.07 in the paper.
        start_temperature: where it begins; 0.04 in the paper. It rises in a line.
        warmup: share of the training until then, 0 to 1; 0.3 in the paper's code.
        momentum: share that the centre keeps of itself, in [0, 1); 0.9 in the paper.

    Raises ConfigError for numbers out of range.
    """

    centre: Tensor

    def __init__(
        self, prototypes: int, student_temperature: float = 0.1, teacher_temperature: float = 0.07, start_temperature: float = 0.04,
        warmup: float = 0.3, momentum: float = 0.9,
    ) -> None:  # fmt: skip
        super().__init__()
        lowest = min(student_temperature, teacher_temperature, start_temperature)
        if prototypes < 2 or lowest <= 0:
            raise ConfigError(
                f"there are {prototypes} prototypes, and the lowest temperature is {lowest}. Give 2 or more prototypes, between which pictures can "
                "differ, and temperatures above 0, such as 0.1 and 0.04."
            )
        if not (0 <= momentum < 1 and 0 <= warmup <= 1):
            raise ConfigError(
                f"momentum is {momentum} and warmup {warmup}, but the first is the share that the centre keeps of itself, and the second a share of the "
                "training. Use 0.9 and 0.3."
            )
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.start_temperature, self.warmup, self.momentum = start_temperature, warmup, momentum
        self.register_buffer("centre", torch.zeros(prototypes))

    def temperature(self, done: float) -> float:
        """Return the teacher's, where a share `done` of the training is over."""
        risen = 1.0 if done >= self.warmup else done / self.warmup
        return self.start_temperature + risen * (self.teacher_temperature - self.start_temperature)

    @torch.no_grad()
    def targets(self, teacher: Float[Tensor, "G R K"], done: float = 1.0) -> Float[Tensor, "G R K"]:
        """Return what the student should say of each view, as shares of the prototypes; no gradient."""
        return ((teacher.float() - self.centre) / self.temperature(done)).softmax(-1)

    def forward(self, student: Float[Tensor, "V R K"], targets: Float[Tensor, "G R K"]) -> Float[Tensor, ""]:
        """Return the mean over the G V - G pairs of a teacher's view and another one of the student's, and over rows; in nats.

        Args:
            student: scores of all views, those that the teacher has seen first.
            targets: as `targets` gives them.

        Raises ConfigError where no two views differ.
        """
        seen, taught = len(student), len(targets)
        if not 0 < taught <= seen or seen < 2:
            raise ConfigError(
                f"the student has {seen} views and the teacher {taught}, but each of the teacher's is one of the student's, which has another "
                "beside. Bring two views of each picture or more."
            )
        with torch.autocast(student.device.type, enabled=False):
            said = (student.float() / self.student_temperature).log_softmax(-1)
            each = -torch.einsum("grk,vrk->gv", targets.detach(), said) / student.shape[1]
            differ = ~torch.eye(taught, seen, dtype=torch.bool, device=student.device)
            return each[differ].mean()

    @torch.no_grad()
    def follow(self, teacher: Float[Tensor, "G R K"]) -> None:
        """Move the centre towards what the teacher says in the mean, over the rows of all ranks, which have as many each."""
        mean = teacher.float().flatten(0, 1).mean(0)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(mean)
            mean /= dist.get_world_size()
        self.centre.lerp_(mean, 1 - self.momentum)


def signs_of_life(targets: Float[Tensor, "G R K"]) -> dict[str, Float[Tensor, ""]]:
    """Return what tells whether the teacher still says different things of different pictures.

    `spread` is the entropy of its mean answer as a share of log K, 0 where one prototype takes all; `variety` the share of K that its answers
    differ by, half the mean of their absolute deviations from that mean: 0 where all pictures have the same answer, however even.
    """
    rows = targets.flatten(0, 1)
    mean = rows.mean(0)
    entropy = -(mean * mean.clamp(min=torch.finfo(mean.dtype).tiny).log()).sum()
    return {"spread": entropy / math.log(len(mean)), "variety": 0.5 * (rows - mean).abs().sum(1).mean()}
