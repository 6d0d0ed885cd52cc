"""Which tensors of a model train, by name; all others stay to the last bit, running statistics among them.

Source: Zhai et al. 2022, arXiv:2111.07991, section 3 (a locked tower is one that gradients do not change). Differs: a locked
part is in evaluation mode too, so that batch norm neither moves its statistics nor uses those of the batch.
"""

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from components.contracts.errors import ConfigError


class Freeze:
    """The tensors of a module, divided into those that train and those that stay.

    Args:
        module: the model. Nothing happens to it before `apply`.
        trains: patterns of names, such as `text.*`; a parameter or buffer that fits one of them trains.
        takes_up: the same of tensors that do not train, and into which what was trained is taken up in the end.

    Raises ConfigError, with the nearest names, for a pattern that no parameter fits.
    """

    def __init__(self, module: nn.Module, trains: Sequence[str], takes_up: Sequence[str] = ()) -> None:
        self.module, self.trains, self.takes_up = module, tuple(trains), tuple(takes_up)
        parameters = [name for name, _ in module.named_parameters()]
        for pattern in trains:
            if not any(fnmatchcase(name, pattern) for name in parameters):
                raise ConfigError(
                    f"nothing trains by the pattern {pattern!r}: no parameter of {type(module).__name__} has a name like it. "
                    f"Tuning would run and change nothing. {_nearest(pattern, parameters)}"
                )

    def is_trained(self, name: str) -> bool:
        """Whether the tensor of this name trains."""
        return any(fnmatchcase(name, pattern) for pattern in self.trains)

    def may_differ(self, name: str) -> bool:
        """Whether the tensor of this name may be another when tuning has ended."""
        return self.is_trained(name) or any(fnmatchcase(name, pattern) for pattern in self.takes_up)

    def apply(self) -> None:
        """Let gradients reach what trains and nothing else, and put what stays whole into evaluation mode."""
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad_(self.is_trained(name))
        self.module.train()
        for part in self._frozen_parts(self.module, ""):
            part.eval()

    def frozen(self) -> dict[str, Tensor]:
        """Return the tensors that stay, parameters and buffers, by name."""
        tensors = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        return {name: tensor for name, tensor in sorted(tensors.items()) if not self.is_trained(name)}

    def digests(self) -> dict[str, str]:
        """Return name -> sha256 over type, shape and bytes of each tensor that stays."""
        return {name: _sha256(tensor) for name, tensor in self.frozen().items()}

    def digest(self) -> str:
        """Return one sha256 for all that stays: equal before and after, nothing of it has changed."""
        lines = (f"{name} {digest}\n" for name, digest in self.digests().items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Run a block, and raise ConfigError if it changed a tensor that was to stay."""
        before = self.digests()
        yield
        if changed := [name for name, digest in self.digests().items() if before.get(name) != digest]:
            raise ConfigError(
                f"{changed[0]} was to stay as it was pre-trained, but tuning changed it ({len(changed)} such tensors), so "
                "the method writes to weights beside the optimizer. Let the strategy train that part, or choose another method."
            )

    def _frozen_parts(self, part: nn.Module, prefix: str) -> Iterator[nn.Module]:
        """Yield the largest parts with tensors of which none trains; a part without tensors does as the part around it."""
        names = [f"{prefix}{name}" for name, _ in (*part.named_parameters(), *part.named_buffers())]
        if names and not any(map(self.is_trained, names)):
            yield part
            return
        for name, child in part.named_children():
            yield from self._frozen_parts(child, f"{prefix}{name}.")


def _sha256(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    said = hashlib.sha256(f"{plain.dtype} {tuple(plain.shape)} ".encode())
    said.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return said.hexdigest()


def _nearest(pattern: str, parameters: Sequence[str]) -> str:
    """Return what there is, and which of it was most likely meant."""
    parts = {".".join(name.split(".")[:depth]) for name in parameters for depth in range(1, name.count(".") + 1)}
    parts |= set(parameters)
    top = sorted({name.split(".")[0] for name in parameters})
    near = difflib.get_close_matches(pattern.rstrip("*").rstrip("."), sorted(parts), n=1, cutoff=0)
    hint = f"; did you mean {near[0]}{'' if near[0] in parameters else '.*'}?" if near else "."
    return f"It has {', '.join(top) or 'none'}{hint}"
