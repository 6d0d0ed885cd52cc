"""Which parameter learns how fast, and how the rate moves.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.5 (decoupled decay on weights only, warm-up, cosine).
"""

import math

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from components.contracts.errors import ConfigError


def param_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return two groups: matrices with decay, and gains, biases, embeddings' positions and scales without."""
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    return [
        {"params": [p for _, p in named if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]


def warm_cosine(optimizer: Optimizer, warmup_steps: int, total_steps: int) -> LambdaLR:
    """Raise the rate in a line over the warm-up, then lower it along half a cosine to 0 at the last step.

    Takes the total itself: reading it from the trainer makes Lightning 2.6 forget the loader's place on resume.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ConfigError(
            f"warmup_steps is {warmup_steps} of {total_steps} steps, so the rate would never come down. "
            "Set it below the scale's steps."
        )

    def share(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))

    return LambdaLR(optimizer, share)


def adamw(module: nn.Module, lr: float, weight_decay: float, betas: tuple[float, float], eps: float) -> Optimizer:
    """Return AdamW over `param_groups`."""
    return AdamW(param_groups(module, weight_decay), lr=lr, betas=betas, eps=eps)
