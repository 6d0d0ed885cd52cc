"""What guides a loss: it looks at embeddings, gives targets or weights, and learns nothing."""

from torch import nn


class Signal(nn.Module):
    """Base of all signals: `forward` returns a tensor or a frozen set of them, without gradient.

    What it remembers from step to step are buffers, so that a checkpoint has it.
    """
