"""A loss: it takes embeddings and never a model, so that any tower can use any loss."""

from torch import nn


class Objective(nn.Module):
    """Base of all losses; `forward` takes embeddings and returns a float [] in nats, a mean over the rows.

    A class of its own so that a recipe's slot can demand one: typed as nn.Module, torch.nn.Identity would pass for a loss.
    """
