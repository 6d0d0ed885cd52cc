"""ALIP: learn from a raw text and a caption that was made for the picture, each as far as it can be believed (seed 12).

Source: Yang et al. 2023, arXiv:2308.08428: language consistency gate, description consistency gate, adaptive contrastive loss; what
the paper leaves open is as in deepglint/ALIP. Differs: running means lie in the checkpoint (there they begin anew after a stop),
and samples that lack a text count by the other. Axes: R samples of this rank, B samples of all ranks, D shared width.
"""

from torch import Tensor

from components.contracts.batch import Batch, Texts
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.objectives.signals.consistency import ConsistencyGates
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather, GatherMode

RAW, MADE = "caption", "synthetic"  # names of the two in a batch


class Alip(Method):
    """Two of CLIP's contrasts, picture with raw text and picture with caption, weighed row by row.

    Args:
        model: the two towers; one reads both texts.
        gamma: how fast weights fall below the running means, at least 0; 2 in the paper, and 0 is two plain contrasts.
        momentum: of the running means, in [0, 1); 0.99 in the paper.
        block: rows whose scores are there at once, as of SoftmaxLoss.
        gather: how ranks see each other's rows, as of Gather; not `none`, since the means are of all.

    Raises ConfigError for numbers out of range.
    """

    model: DualEncoder

    def __init__(
        self, model: DualEncoder, gamma: float = 2.0, momentum: float = 0.99, block: int | None = None,
        gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__()
        if gather == "none":
            raise ConfigError(
                "gather is none, so that each rank would have running means of its own, and the same pair another weight. Choose features, ring or "
                "detached."
            )
        self.model, self.gather = model, Gather(gather)
        self.gates, self.softmax = ConsistencyGates(momentum=momentum, gamma=gamma), SoftmaxLoss(block=block)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return both contrasts. `seen` has the means of the weights, the running means, and the shares gated and given."""
        pictures = self.model.encode_image(batch.images["main"]).pooled
        texts = {name: self.model.encode_text(_one_each(batch, name)).pooled for name in (RAW, MADE)}
        image, raw, caption = (self.gather(rows) for rows in (pictures, texts[RAW], texts[MADE]))
        given = {name: batch.ids.get(f"{name}_given") for name in (RAW, MADE)}
        raw_given, caption_given = (self._of_all(one) for one in given.values())
        believed = self.gates(image, raw, caption, raw_given=raw_given, caption_given=caption_given)
        scale = self.model.logit_scale()
        return Losses(
            terms={
                "raw": self.softmax(image, raw, scale, weights=believed.raw_pair),
                "caption": self.softmax(image, caption, scale, weights=believed.caption_pair),
            },
            seen={
                "scale": scale.detach(),
                **{f"weight.{name}": getattr(believed, name).mean() for name in ("sample", "raw", "caption")},
                **{f"mean.{name}": mean for name, mean in self.gates.means.items()},
                "gated": (believed.sample < 1).float().mean(),
                **{f"given.{name}": one.float().mean() for name, one in given.items() if one is not None},
            },
            embedded={"image": pictures.detach(), "text": texts[RAW].detach(), "caption": texts[MADE].detach()},
        )

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound."""
        self.model.logit_scale.clamp()

    def _of_all(self, given: Tensor | None) -> Tensor | None:
        """Return bool [B] of this rank's int [R]."""
        return None if given is None else self.gather(given.float()[:, None]).all[:, 0] > 0


def _one_each(batch: Batch, name: str) -> Texts:
    """Return texts of which each sample has one; ConfigError where it has none, or several."""
    if name not in batch.texts:
        raise ConfigError(
            f"batches bring no texts called {name!r}, but ALIP weighs a raw text against a caption that was made for the picture. Name the kinds of "
            f"both in the recipe, such as training.texts: {{{RAW}: {{kinds: [alt]}}, {MADE}: {{kinds: [short]}}}}."
        )
    texts = batch.texts[name]
    if len(texts.ids) != len(batch):
        raise ConfigError(
            f"batches bring {len(texts.ids)} texts called {name!r} for {len(batch)} samples, but ALIP weighs one against one. Set the count of "
            f"training.texts.{name} to 1."
        )
    return texts
