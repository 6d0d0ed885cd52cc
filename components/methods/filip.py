"""FILIP: CLIP's contrast on scores that compare every patch with every word (seed 19).

Source: Yao et al. 2021, arXiv:2111.07783, sections 3.1 and 3.2. Differs: nothing in the loss; towers and sizes are the recipe's, and
texts are not translated back and forth. Axes: R pairs of this rank, T tokens, D shared width.
"""

from torch import Tensor

from components.contracts.batch import Batch
from components.contracts.directions import Directions
from components.contracts.encoded import TOKENS
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.gathered import Gathered
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.models.token_picker import picked
from components.objectives.signals.soft_targets import SoftTargets
from components.objectives.similarity import max_sim
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather, GatherMode


class Filip(Method):
    """The two scores of a pair under one softmax contrast, a matrix a direction.

    Args:
        model: two towers that give tokens.
        keep: share of the tokens of each picture and text that are compared, and sent to other ranks; 0.25 in the paper, in (0, 1].
        chunk: pictures whose cosines are there at once; it changes no bit of a score.
        gather: how ranks see each other's tokens, as of Gather.

    Raises ConfigError for a share or a chunk out of range.
    """

    model: DualEncoder

    def __init__(self, model: DualEncoder, keep: float = 1.0, chunk: int = 64, gather: GatherMode = "features") -> None:
        super().__init__()
        if not 0 < keep <= 1:
            raise ConfigError(
                f"keep is {keep}, but it is a share of the tokens. Give 0.25 as in the paper, or 1 for all."
            )
        if chunk < 1:
            raise ConfigError(f"chunk is {chunk} pictures at once. Give at least 1, such as 64.")
        self.model, self.keep, self.chunk, self.gather = model, keep, chunk, Gather(gather)
        self.softmax, self.who = SoftmaxLoss(), SoftTargets()

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the contrast of this batch."""
        images, texts = batch.images["main"], batch.texts["caption"]
        image, text = self.model.encode_image(images, (TOKENS,)), self.model.encode_text(texts, (TOKENS,))
        if image.tokens is None or text.tokens is None:
            raise CapabilityError(
                "a tower gives no tokens, and FILIP compares nothing else. Choose a network that does."
            )
        mask = texts.mask if text.mask is None else text.mask
        patches, words = image.tokens, text.tokens
        if self.keep < 1:
            patches, words, mask = picked(patches, words, mask, self.keep, self.chunk)
        image_rows = self.gather(patches.flatten(1), images.owner, len(batch))  # tokens travel as rows
        text_rows = self.gather(words.flatten(1), texts.owner, len(batch))
        real = self.gather(mask.float(), texts.owner, len(batch))
        scores, scale = self._scores(image_rows, text_rows, real), self.model.logit_scale()
        contrast = self.softmax.from_scores(
            scale * scores.image_to_text, scale * scores.text_to_image, targets=self.who(image_rows, text_rows)
        )
        return Losses(
            terms={"contrast": contrast}, seen={"scale": scale.detach()},
            embedded={"image": image.pooled.detach(), "text": text.pooled.detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound."""
        self.model.logit_scale.clamp()

    def _scores(self, image: Gathered, text: Gathered, mask: Gathered) -> Directions:
        """Return the scores of local rows against all, each way."""
        width = (-1, self.model.width)

        def of(pictures: Tensor, texts: Tensor, real: Tensor) -> Directions:
            return max_sim(pictures.unflatten(1, width), texts.unflatten(1, width), real > 0, self.chunk)

        one = of(image.local, text.all, mask.all)
        if image.is_whole and text.is_whole:
            return one
        return Directions(
            image_to_text=one.image_to_text, text_to_image=of(image.all, text.local, mask.local).text_to_image
        )
