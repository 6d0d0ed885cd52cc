"""Backward-compatible training: any contrastive method, whose embeddings can be compared with those of a model that was served before.

Sources: Shen et al. 2020, arXiv:2003.11942 (BCT: the new model is also held to the old one's classifier), section 3.3; Zhang et al. 2022,
arXiv:2201.09724 (hot refresh), section 3.2: where there are no classes, new embeddings are contrasted with old ones of the batch.
Differs: there are two sides, so new texts are contrasted with the old pictures and new pictures with the old texts, by the method's own
contrast and scale; what a new text is for an old text is not asked, since no query is ever compared with a query.
Axes: B samples, D shared width.
"""

from dataclasses import replace

from torch import Tensor

from components.contracts.batch import Batch
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, Side
from components.contracts.method import Clock, Losses, Method
from components.contracts.objective import Contrast
from components.models.dual_encoder import DualEncoder
from components.training.gather import Gather
from components.training.teacher import Teacher


class Compatible(Method):
    """A contrastive method whose embeddings stay in the space of an old model, which is frozen.

    The parameters of the model keep their names. The old model sees the very pixels and tokens of the batch, so it must have been trained on
    the same transform and tokenizer; whoever makes the batches sees to that.

    Args:
        method: has an `objective`, a Contrast, and a `gather`; its contrast is changed in place.
        old: the model whose index is to be searched.
        weight: of the terms with old embeddings against the method's own, above 0; 1 as in BCT.

    Raises ConfigError for a method without such a contrast, an old model of another width, and a weight outside.
    """

    model: DualEncoder
    inner: Method

    def __init__(self, method: Method, old: DualEncoder, weight: float = 1.0) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise ConfigError(
                f"weight is {weight}, but it is what the old embeddings count against the method's own contrast. Use 1; without any, leave "
                "compatible_with out."
            )
        objective, gather = getattr(method, "objective", None), getattr(method, "gather", None)
        if not isinstance(objective, Contrast) or not isinstance(gather, Gather):
            raise ConfigError(
                f"method is {type(method).__name__}, which has no contrast (`objective`) and `gather` of its own, so there is nothing to hold "
                "old embeddings against. Name a contrastive method, such as components.methods.clip.Clip."
            )
        assert isinstance(method.model, DualEncoder)
        if method.model.width != old.width:
            raise ConfigError(
                f"the model gives {method.model.width} numbers and the old one {old.width}, so neither can be compared with the other's. Set "
                f"model.init_args.width={old.width}, or train without compatible_with and embed the index anew."
            )
        self.gather, self.per_rank = gather, method.per_rank
        method.objective = self.objective = _Held(objective, weight)
        object.__setattr__(self, "inner", method)  # not a part: names of parameters stay those of the method
        for name, part in method.named_children():
            self.add_module(name, part)
        self.old = Teacher(old, "frozen")

    def begin(self) -> None:
        """Do what the method does."""
        self.inner.begin()

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the method's terms, its contrast with that against old embeddings; the latter alone is logged as `compatible`."""
        images, texts = batch.images["main"], batch.texts["caption"]
        self.objective.old = (
            self.gather(self.old.encode_image(images).pooled, images.owner, len(batch)),
            self.gather(self.old.encode_text(texts).pooled, texts.owner, len(batch)),
        )
        losses = self.inner.losses(batch, clock)
        self.objective.old = None
        return Losses(
            terms=losses.terms, seen={**losses.seen, "compatible": self.objective.seen}, embedded=losses.embedded
        )

    def after_step(self, clock: Clock) -> None:
        """Do what the method does."""
        self.inner.after_step(clock)


class _Held(Contrast):
    """A contrast, and the same one across models."""

    seen: Tensor

    def __init__(self, contrast: Contrast, weight: float) -> None:
        super().__init__()
        self.contrast, self.weight = contrast, weight
        self.wants_bias, self.wants_labels = contrast.wants_bias, contrast.wants_labels
        self.old: tuple[Gathered, Gathered] | None = None

    def check_width(self, width: int) -> None:
        """Ask the contrast within."""
        self.contrast.check_width(width)

    def forward(self, image: Side, text: Side, scale: Tensor, **more: Tensor) -> Tensor:
        """Return nats; `more` is the contrast's. Bias and labels are for old embeddings as for new ones, and nothing else of it is."""
        own: Tensor = self.contrast(image, text, scale, **more)
        assert self.old is not None, "a step has old embeddings"
        pictures, texts = (Gathered.of(side) for side in (image, text))
        before, said = (_alike(old, new) for old, new in zip(self.old, (pictures, texts), strict=True))
        given = {"bias": more["bias"]} if "bias" in more else {}
        across = (self.contrast(before, texts, scale, **given) + self.contrast(pictures, said, scale, **given)) / 2
        self.seen = across.detach()
        return own + self.weight * across


def _alike(old: Gathered, new: Gathered) -> Gathered:
    """Return old rows with the labels of the new; ConfigError where these are not the rows of the batch's plain views."""
    if len(old.all) != len(new.all):
        raise ConfigError(
            f"the method contrasts {len(new.all)} rows of a side, and the old model saw {len(old.all)}: pictures `main` and texts `caption` alone. "
            "Name a method that contrasts those, such as components.methods.clip.Clip."
        )
    return replace(old, label=new.label)
