"""A loss: it takes embeddings and never a model, so that any tower can use any loss."""

from torch import nn


class Objective(nn.Module):
    """Base of all losses; `forward` takes embeddings and returns a float [] in nats, a mean over the rows.

    A class of its own so that a recipe's slot can demand one: typed as nn.Module, torch.nn.Identity would pass for a loss.
    """


class Contrast(Objective):
    """Base of losses between the pictures and the texts of a batch: `forward(image, text, scale)`, and `bias` if it wants one.

    `image` and `text` are each a Side: float [B D], not of unit length, or Gathered. Row i of both belongs together,
    unless owners say otherwise. Over ranks, each gives the loss of its own rows and the mean over ranks is the loss.
    """

    wants_bias: bool = False
    wants_labels: bool = False
    """Whether sides should have labels, which say what stands for what."""

    def check_width(self, width: int) -> None:
        """Raise ConfigError, before anything is trained, when it cannot take embeddings of D numbers; most take any."""


class Wrapper(Contrast):
    """Base of contrasts that hand another one less than they were given: fewer dimensions, or fewer pairs.

    It stands wherever a contrast stands, around another wrapper too, and wants what the innermost wants.

    Args:
        objective: the contrast it stands around.
    """

    def __init__(self, objective: Contrast) -> None:
        super().__init__()
        self.objective = objective
        self.wants_bias, self.wants_labels = objective.wants_bias, objective.wants_labels

    @property
    def innermost(self) -> Contrast:
        """The loss within all wrappers."""
        return self.objective.innermost if isinstance(self.objective, Wrapper) else self.objective

    def check_width(self, width: int) -> None:
        """Ask the contrast within."""
        self.objective.check_width(width)
