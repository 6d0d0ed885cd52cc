"""A loss: it takes embeddings and never a model, so that any tower can use any loss."""

from typing import ClassVar

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

    wants_bias: ClassVar[bool] = False
