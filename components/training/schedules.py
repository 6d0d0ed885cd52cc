"""How the rate moves: up in a line, then down along half a cosine, at the very end, or not at all.

Sources: Loshchilov and Hutter 2017, arXiv:1608.03983 (cosine); Hu et al. 2024, arXiv:2404.06395, section 4 (warm-up, stable,
decay) with the fall of Haegele et al. 2024, arXiv:2405.18392, section 3.2 (1 - sqrt), which they find best.
"""

import math
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from components.training.numbers import Optimisation


def schedule_of(optimizer: Optimizer, numbers: Optimisation, total_steps: int) -> LambdaLR:
    """Return the schedule that a recipe asks for.

    Takes the total itself: reading it from the trainer makes Lightning 2.6 forget the loader's place on resume.
    """
    warmup_steps = int(numbers.warmup * total_steps)
    assert warmup_steps < total_steps, "a share below 1"
    return LambdaLR(optimizer, partial(share_at, numbers=numbers, warmup_steps=warmup_steps, total_steps=total_steps))


def share_at(step: int, numbers: Optimisation, warmup_steps: int, total_steps: int) -> float:
    """Return the share of the highest rate at a step, 0 to 1: `numbers.floor` at the last one, but for `constant`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if numbers.schedule == "constant":
        return 1.0
    if numbers.schedule == "cosine":
        left = 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))
    else:
        falling = max(1, int(numbers.cooldown * total_steps))
        left = 1 - math.sqrt(max(0, step - (total_steps - falling)) / falling)
    return numbers.floor + (1 - numbers.floor) * left
