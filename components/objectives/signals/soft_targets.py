"""How much of each row belongs to which column, where one right answer is too strict.

Sources: same id, Zuo et al. 2023, arXiv:2305.08386 (seed 16, q_ij); blend with a teacher, Li et al. 2021,
arXiv:2107.07651, section 3.2, and Yang et al. 2022, arXiv:2202.10401 (seed 22: 0.4, raised in a line over the first epoch).
Differs: one signal for all of them; a share per sample may be spread as well.
Axes: R local rows, C columns they are held against, B samples of all ranks.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, sides
from components.contracts.method import Clock
from components.contracts.signal import Signal


class SoftTargets(Signal):
    """Rows that sum to one. With nothing asked for, a sample's rows share its columns, as losses do by themselves.

    Args:
        smoothing: share of each row spread over all its columns; in [0, 1).
        blend: share of the teacher's distribution once it is raised; in [0, 1].
        ramp: share of the training's steps over which the blend rises from 0 in a line; 0 has it whole from the start.
    """

    def __init__(self, smoothing: float = 0.0, blend: float = 0.0, ramp: float = 0.0) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(
                f"smoothing is {smoothing}, but it is a share that wrong pairs get. 0.1 is usual, 0 is none."
            )
        if not 0 <= blend <= 1 or not 0 <= ramp <= 1:
            raise ConfigError(
                f"blend is {blend} and ramp {ramp}, but they are shares of the target and of the steps. Give numbers from "
                "0 to 1; 0.4 is usual for the blend."
            )
        self.smoothing, self.blend, self.ramp = smoothing, blend, ramp

    @torch.no_grad()
    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "B2 D"] | Gathered,
        *,
        ids: Int[Tensor, " B"] | None = None,
        noise: Float[Tensor, " B"] | None = None,
        teacher: Directions | None = None,
        clock: Clock | None = None,
    ) -> Directions:
        """Return the targets of both directions; of the sides only who belongs to whom is looked at.

        Args:
            ids: of every sample; those of one id belong together, such as pictures of one person. None is by sample.
            noise: how likely each sample's text is not its own, in [0, 1]: that much more of its rows is spread.
            teacher: its logits, a column for each of ours and perhaps more, such as a queue's.
            clock: where training stands; asked for with a ramp.
        """
        pictures, texts = sides(image, text)
        logits = (None, None) if teacher is None else (teacher.image_to_text, teacher.text_to_image)
        share = self._share(clock)
        rows = [
            self._rows(by, to, ids, noise, said, share)
            for by, to, said in zip((pictures, texts), (texts, pictures), logits, strict=True)
        ]
        return Directions(image_to_text=rows[0], text_to_image=rows[1])

    def _rows(
        self, by: Gathered, to: Gathered, ids: Tensor | None, noise: Tensor | None, logits: Tensor | None, share: float
    ) -> Tensor:
        samples, others = by.local_samples(), to.samples()
        ours, theirs = (samples, others) if ids is None else (ids[samples], ids[others])
        right = (ours[:, None] == theirs[None]).float()
        right = right / right.sum(1, keepdim=True).clamp(min=1)
        if logits is not None:
            right = pad(right, (0, logits.shape[1] - right.shape[1]))
            right = (1 - share) * right + share * logits.float().softmax(1)
        kept = torch.full((len(right), 1), 1 - self.smoothing, device=right.device)
        if noise is not None:
            kept = kept * (1 - noise[samples, None])
        return kept * right + (1 - kept) / right.shape[1]

    def _share(self, clock: Clock | None) -> float:
        """Return the teacher's share at this step."""
        if self.ramp == 0:
            return self.blend
        if clock is None:
            raise ConfigError(
                f"ramp is {self.ramp}, but the method gives no clock, so nobody knows how far training is. Hand the clock of "
                "losses(batch, clock) on, or set ramp to 0."
            )
        return self.blend * min(1.0, clock.step / max(1.0, self.ramp * clock.total_steps))
