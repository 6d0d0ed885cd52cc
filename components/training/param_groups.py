"""Which parameter learns how fast, and how the rate moves.

Sources: Radford et al. 2021, arXiv:2103.00020, section 2.5 (decoupled decay on weights only, warm-up, cosine); Jordan et al.
2024, "Muon: An optimizer for hidden layers in neural networks" (orthogonalised momentum), as timm has it.
"""

import math

from timm.optim import Muon
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from components.contracts.errors import ConfigError
from components.training.numbers import Optimisation


def optimizer_of(module: nn.Module, numbers: Optimisation) -> Optimizer:
    """Return the optimizer a recipe asks for, over all that may learn."""
    groups = param_groups(module, numbers)
    if numbers.optimizer == "adamw":
        plain = [{key: value for key, value in group.items() if key != "use_fallback"} for group in groups]
        return AdamW(plain, lr=numbers.lr, betas=numbers.betas, eps=numbers.eps)
    return Muon(groups, lr=numbers.lr, momentum=numbers.momentum, nesterov=True, betas=numbers.betas)


def param_groups(module: nn.Module, numbers: Optimisation) -> list[dict[str, object]]:
    """Return three groups: matrices, tables that are looked up (embeddings, positions), and gains, biases and scales.

    The first two decay. `use_fallback` marks what Muon leaves to AdamW, at `fallback` times the rate: orthogonal steps mean
    something for maps between spaces only.
    """
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    matrices: list[nn.Parameter] = []
    looked_up: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_table = id(parameter) in tables or name.endswith("position")
            (rest if parameter.ndim < 2 else looked_up if is_table else matrices).append(parameter)
    rate = numbers.lr * (numbers.fallback if numbers.optimizer == "muon" else 1.0)
    decay = numbers.weight_decay
    return [
        {"params": matrices, "weight_decay": decay, "use_fallback": False},
        {"params": looked_up, "weight_decay": decay, "use_fallback": True, "lr": rate},
        {"params": rest, "weight_decay": 0.0, "use_fallback": True, "lr": rate},
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
