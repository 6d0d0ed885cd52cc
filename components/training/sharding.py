"""Towers whose weights, gradients and moments are split over the ranks, each rank keeping one part of every tensor.

Source: Zhao et al. 2023, arXiv:2304.11277 (fully sharded data parallel), as torch's `fully_shard` has it: a block's weights are
gathered when it is computed and dropped afterwards. What is in no tower (projections, the logit scale, which as a scalar has no
parts) stays whole on every rank. A checkpoint has whole tensors, so that any number of ranks goes on from it, sharded or not.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed._composable.contract import REGISTRY_KEY, STATE_KEY
from torch.distributed._composable_state import _module_state_mapping
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from components.contracts.encoded import Tower
from components.contracts.errors import CapabilityError
from components.training.framework import L
from components.training.recompute import opened

_Place = tuple[nn.Module, str]
_LEFT = (STATE_KEY, REGISTRY_KEY, "_is_fsdp_managed_module", "_fsdp_use_orig_params")


class Sharding:
    """Splits the towers of a method, and makes them whole again.

    Args:
        method: whose towers; its parameters are the same objects afterwards as before.

    Raises CapabilityError, by name, for a batch norm, whose statistics would be other ones on every rank, and where there is no
    tower.
    """

    def __init__(self, method: nn.Module) -> None:
        self.method = method
        self.plain: dict[_Place, nn.Parameter] = {}
        self.towers = [part for part in method.modules() if isinstance(part, Tower)]
        self.towers.reverse()  # torch splits a tower within a tower before the one around it
        if not self.towers:
            raise CapabilityError(
                f"shard is set, but this {type(method).__name__} has no tower, so nothing would be split. Set shard to false in "
                "the scale."
            )
        for name, part in method.named_modules():
            if isinstance(part, _BatchNorm):
                raise CapabilityError(
                    f"shard is set, but {name} is a {type(part).__name__}: each rank would keep statistics of its own. Choose a "
                    "net without batch norm in the recipe, or set shard to false in the scale."
                )

    def split(self, mesh: DeviceMesh) -> None:
        """Leave this rank its part of every tower's weights."""
        self.plain = {place: weight for tower in self.towers for place, weight in _weights(tower)}
        for weight in self.plain.values():
            weight.data = weight.data.contiguous()  # convolutions may lie channels last
        scalars = {weight for weight in self.plain.values() if not weight.ndim}
        for tower in self.towers:
            for part in (*opened(tower), tower):
                # after a forward pass, too: what was gathered would hide what is written to the parts meanwhile
                fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=scalars)
        for weight in self.plain.values():
            if weight.ndim:
                weight.data = weight.data.new_empty(0)

    def whole(self) -> None:
        """Give every rank all weights again, in the parameters that were there before; all ranks call it."""
        for tower in self.towers:
            for part in (*opened(tower), tower):
                if isinstance(part, FSDPModule):
                    part.reshard()
                    _undo(part)
        for (module, name), weight in self.plain.items():
            ours = module._parameters[name]
            if isinstance(ours, DTensor):
                weight.data = ours.full_tensor().detach()
                weight.grad = None
                module._parameters[name] = weight
        self.plain = {}


class Sharded(L.pytorch.strategies.DDPStrategy):
    """DDP's ranks and connections, with split towers in place of DDP itself.

    Args:
        sharding: of the method that is trained.
        options: of DDPStrategy.
    """

    def __init__(self, sharding: Sharding, **options: Any) -> None:
        super().__init__(**options)
        self.sharding = sharding

    def configure_ddp(self) -> None:
        """Split the towers; the checkpoint, if there is one, is in the weights by now, and no optimizer is there yet."""
        self.sharding.split(init_device_mesh(self.root_device.type, (self.world_size,)))

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return whole weights, on the first rank only; all ranks take part."""
        return self._gathered(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return whole moments, likewise."""
        return self._gathered(super().optimizer_state(optimizer))

    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        """Leave this rank its part of the moments."""
        super().load_optimizer_state_dict(checkpoint)
        for optimizer in self.optimizers:
            for weight, state in optimizer.state.items():
                for name, value in state.items():
                    if isinstance(value, Tensor) and value.shape == weight.shape:
                        state[name] = part_like(weight, value)

    def _gathered(self, values: Any) -> Any:
        """Return the same, at any depth, with whole tensors in the memory of the first rank, and none on others."""
        if isinstance(values, dict):
            return {name: self._gathered(value) for name, value in values.items()}
        if isinstance(values, list):
            return [self._gathered(value) for value in values]
        if isinstance(values, DTensor):
            whole = values.full_tensor()
            return whole.detach().cpu() if self.is_global_zero else None
        return values


def local(tensor: Tensor) -> Tensor:
    """Return what this rank has of a tensor: its part, or all of one that is not split. They share memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part_like(weight: Tensor, whole: Tensor) -> Tensor:
    """Return the part of a whole tensor that lies as a weight does; every rank has the whole, and nothing is sent."""
    if not isinstance(weight, DTensor) or isinstance(whole, DTensor):
        return whole
    return distribute_tensor(whole, weight.device_mesh, weight.placements, src_data_rank=None)


def whole_of(tensor: Tensor) -> Tensor:
    """Return all of a tensor; where it is split all ranks take part."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def is_split(tensors: Iterable[Tensor]) -> bool:
    """Return whether any of them is."""
    return any(isinstance(tensor, DTensor) for tensor in tensors)


@torch.no_grad()
def norm_of(gradients: Iterable[Tensor]) -> Tensor:
    """Return the norm over all gradients, float [], the same on every rank; those that are not split count once."""
    ours: list[Tensor] = []
    shared: list[Tensor] = []
    for gradient in gradients:
        (ours if isinstance(gradient, DTensor) else shared).append(local(gradient).float().square().sum())
    zero = (ours or shared)[0].new_zeros(())
    parts = torch.stack([zero, *ours]).sum()
    torch.distributed.all_reduce(parts)
    return (parts + torch.stack([zero, *shared]).sum()).sqrt()


def _weights(tower: nn.Module) -> Iterable[tuple[_Place, nn.Parameter]]:
    for module in tower.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                yield (module, name), weight


def _undo(part: FSDPModule) -> None:
    """Take away what fully_shard put on a module. torch has nothing that does; a later torch may put more there."""
    assert isinstance(part, nn.Module)
    state = part._get_fsdp_state()
    state._pre_forward_hook_handle.remove()
    state._post_forward_hook_handle.remove()
    _module_state_mapping.pop(part, None)
    for module in part.modules():
        for key in _LEFT:
            vars(module).pop(key, None)
    part.__class__ = type(part).__mro__[2]  # after its own class and FSDPModule
