"""Which of two texts of a picture to believe, and whether to believe either: three gates over a picture, a raw text and a caption.

Source: Yang et al. 2023, arXiv:2308.08428, language consistency gate and description consistency gate (seed 12); the order of the
steps as in deepglint/ALIP. Differs: a text that is missing counts for nothing.
Axes: B rows of all ranks, R local rows, D shared width.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from components.contracts.gathered import Gathered
from components.objectives.signals.running_mean_gate import RunningMeanGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """How much each local row counts; no gradient.

    Args:
        sample: [R], above 0 and up to 1: below 1 where the two texts say less alike than usual.
        raw: [R], of the picture with its raw text: 1 where `sample` is 1, 0 where there is none, above 1 where it fits well.
        caption: [R], the same with the caption.
    """

    sample: Float[Tensor, " R"]
    raw: Float[Tensor, " R"]
    caption: Float[Tensor, " R"]

    @property
    def raw_pair(self) -> Float[Tensor, " R"]:
        """What the loss of picture and raw text is weighed by."""
        return self.sample * self.raw

    @property
    def caption_pair(self) -> Float[Tensor, " R"]:
        """What the loss of picture and caption is weighed by."""
        return self.sample * self.caption


class ConsistencyGates(nn.Module):
    """Samples whose texts agree count whole; of the others each text counts by how well it fits the picture, and the sample less.

    Args:
        momentum: of the three running means, as of RunningMeanGate.
        gamma: of the three, as of RunningMeanGate.
    """

    def __init__(self, momentum: float = 0.99, gamma: float = 2.0) -> None:
        super().__init__()
        self.language = RunningMeanGate(momentum=momentum, gamma=gamma)
        self.raw = RunningMeanGate(momentum=momentum, gamma=gamma, cap=False)
        self.caption = RunningMeanGate(momentum=momentum, gamma=gamma, cap=False)

    @property
    def means(self) -> dict[str, Float[Tensor, ""]]:
        """Return the running mean of each gate's cosines as it is now."""
        gates = {"language": self.language, "raw": self.raw, "caption": self.caption}
        return {name: gate.mean.clone() for name, gate in gates.items()}

    @torch.no_grad()
    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        raw: Float[Tensor, "B D"] | Gathered,
        caption: Float[Tensor, "B D"] | Gathered,
        *,
        raw_given: Bool[Tensor, " B"] | None = None,
        caption_given: Bool[Tensor, " B"] | None = None,
    ) -> Believed:
        """Return the weights of local rows; row i of all three is a sample.

        A sample with one text has nothing to disagree: it counts whole, by that text alone.

        Args:
            raw_given: False where a sample has no raw text and other words stand there; None means all have one.
            caption_given: the same of captions.
        """
        both = raw_given if caption_given is None else caption_given if raw_given is None else raw_given & caption_given
        sample = self.language(raw, caption, given=both)
        fail = sample < 1
        place = Gathered.of(image).offset
        ours = slice(place, place + len(sample))
        pairs = []
        for gate, text, given in ((self.raw, raw, raw_given), (self.caption, caption, caption_given)):
            weights = torch.where(fail, gate(image, text, given=given), torch.ones_like(sample))
            pairs.append(weights if given is None else weights * given[ours])
        return Believed(sample=sample, raw=pairs[0], caption=pairs[1])
