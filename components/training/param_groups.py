"""Which parameter learns how fast.

Sources: Radford et al. 2021, arXiv:2103.00020, section 2.5 (decoupled decay on weights only); Jordan et al. 2024, "Muon: An
optimizer for hidden layers in neural networks" (orthogonalised momentum), as timm has it; Clark et al. 2020, arXiv:2003.10555,
section 3 of its appendix (rates that fall by layer).
"""

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import torch
from timm.optim import Muon
from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim import AdamW, Optimizer

from components.contracts.encoded import Tower
from components.contracts.errors import ConfigError
from components.training.numbers import Optimisation

_LAYER = re.compile(r"^(?P<tower>(?:.*?\.)?)(?:blocks|layers|layer|stages|resblocks)\.?(?P<number>\d+)\.")


def optimizer_of(module: nn.Module, numbers: Optimisation) -> Optimizer:
    """Return the optimizer a recipe asks for, over all that may learn; in one kernel a step where the chip is a GPU."""
    groups = param_groups(module, numbers)
    if numbers.optimizer == "adamw":
        plain = [{key: value for key, value in group.items() if key != "use_fallback"} for group in groups]
        fused = True if torch.cuda.is_available() else None  # on a CPU it would move bits and save nothing
        return AdamW(plain, lr=numbers.lr, betas=numbers.betas, eps=numbers.eps, fused=fused)
    return Muon(groups, lr=numbers.lr, momentum=numbers.momentum, nesterov=True, betas=numbers.betas)


def param_groups(module: nn.Module, numbers: Optimisation) -> list[dict[str, object]]:
    """Return groups of three kinds: matrices, tables that are looked up (embeddings, positions), and gains, biases and scales.

    What is in towers and what is not are groups of their own, where there is both: ranks may split the former, and torch steps
    no list that has both. The first two kinds decay. `use_fallback` marks what Muon leaves to AdamW, at `fallback` times the
    rate: orthogonal steps mean something for maps between spaces only. Where rates differ by layer or pattern, each group is
    one for every share.
    Raises ConfigError for a pattern that names nothing.
    """
    embeddings = [part for part in module.modules() if isinstance(part, nn.Embedding)]
    tables = {id(weight) for part in embeddings for _, weight in own_parameters(part)}
    named = {name: parameter for name, parameter in plainly_named(module).items() if parameter.requires_grad}
    shares = rate_shares(named, numbers)
    in_towers = {
        id(weight)
        for part in module.modules()
        if isinstance(part, Tower)
        for weight in part.parameters()
        if weight.ndim
    }
    kinds: dict[str, dict[tuple[float, bool], list[nn.Parameter]]] = {
        kind: defaultdict(list) for kind in ("matrices", "looked_up", "rest")
    }
    for name, parameter in named.items():
        is_table = id(parameter) in tables or name.endswith("position")
        kind = "rest" if parameter.ndim < 2 else "looked_up" if is_table else "matrices"
        kinds[kind][shares[name], id(parameter) in in_towers].append(parameter)
    for by_share in kinds.values():
        if all(share != 1.0 for share, _ in by_share):
            by_share[1.0, True] = []  # so that the first group has the rate itself
    lower = numbers.fallback if numbers.optimizer == "muon" else 1.0
    return [
        {
            "params": parameters, "weight_decay": 0.0 if kind == "rest" else numbers.weight_decay,
            "use_fallback": kind != "matrices",
            "lr": numbers.lr * (1.0 if kind == "matrices" else lower) * share,
        }
        for kind, by_share in kinds.items()
        for (share, _), parameters in sorted(by_share.items(), key=lambda one: one[0], reverse=True)
    ]  # fmt: skip


def plainly_named(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters by the names and in the order that they have where no weight is parametrized.

    Torch moves a parametrized weight behind all parts of its module, as `text.parametrizations.position.original`: rates that fall by
    layer follow the order, and patterns of a recipe the name. What a parametrization adds keeps its name.
    """
    named: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for prefix, part in module.named_modules():
        for name, parameter in own_parameters(part):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                named[f"{prefix}.{name}" if prefix else name] = parameter
    return named


def own_parameters(part: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of a module and of none of its parts, with what lies behind its parametrized ones, by plain names."""
    yield from part.named_parameters(recurse=False)
    if is_parametrized(part):
        for name, made in part.parametrizations.items():  # type: ignore[operator, union-attr]  # a ModuleDict
            if isinstance(original := getattr(made, "original", None), nn.Parameter):
                yield name, original


def rate_shares(names: Iterable[str], numbers: Optimisation) -> dict[str, float]:
    """Return name -> share of the rate: `layer_decay` to the power of the layers above, times that of the first pattern."""
    known = list(names)
    for pattern in numbers.rates:
        if not fnmatch.filter(known, pattern):
            raise ConfigError(
                f"rates has {pattern!r}, which names none of the {len(known)} parameters that learn, such as {known[0]}. A "
                "rate that reaches nobody would look as if it did. Correct the pattern; * stands for any letters."
            )
    below = layers_above(known)
    return {name: numbers.layer_decay ** below[name] * _by_pattern(name, numbers.rates) for name in known}


def layers_above(names: Iterable[str]) -> dict[str, int]:
    """Return name -> how many layers of its tower lie above it: 0 for what follows the last one, or has no tower.

    A tower is what numbers its layers (`blocks.3.`, `layer2.`); what it has before the first, such as a stem, is below all.
    """
    known = list(names)
    found = {name: match for name in known if (match := _LAYER.match(name))}
    tops: dict[str, int] = defaultdict(int)
    for match in found.values():
        tops[match["tower"]] = max(tops[match["tower"]], int(match["number"]) + 1)
    above: dict[str, int] = {}
    begun: set[str] = set()
    for name in known:
        match = found.get(name)
        tower = match["tower"] if match else max((t for t in tops if name.startswith(t)), key=len, default=None)
        if match:
            begun.add(match["tower"])
            above[name] = tops[match["tower"]] - int(match["number"])
        else:
            above[name] = 0 if tower is None or tower in begun else tops[tower] + 1
    return above


def _by_pattern(name: str, rates: Mapping[str, float]) -> float:
    return next((share for pattern, share in rates.items() if fnmatch.fnmatchcase(name, pattern)), 1.0)
