"""Towers that torch compiles: fewer, larger kernels in place of one after another. Off unless a scale asks for it.

Source: Ansel et al. 2024, PyTorch 2 (TorchDynamo and TorchInductor), doi:10.1145/3620665.3640366. A tower is compiled in place,
so that checkpoints have the keys they always had; rounding may differ from the plain one, and does not between two runs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode
from torch.utils._triton import has_triton

from components.contracts.encoded import Tower
from components.contracts.errors import CapabilityError
from components.training.numbers import Compile

_WITHOUT = "Set compile to false in the scale, which trains the same without, or install"


@contextmanager
def compiled(model: nn.Module, how: Compile) -> Iterator[None]:
    """Let every tower of a model be compiled when it is first called, while the block runs.

    Raises CapabilityError where there is nothing to compile, or nothing to compile with.
    """
    check_compiler(how)
    towers = [part for part in model.modules() if isinstance(part, Tower)] if how else []
    if how and not towers:
        raise CapabilityError(
            f"compile is {how!r}, but this {type(model).__name__} has no tower, so nothing would be compiled. Set it to false in "
            "the scale."
        )
    for tower in towers:
        tower.compile(backend="inductor" if how is True else how)
        quick = tower._compiled_call_impl
        assert quick is not None
        tower._compiled_call_impl = partial(_plain_while_counted, tower, quick)
    try:
        yield
    finally:
        for tower in towers:
            tower._compiled_call_impl = None  # what is exported or copied later is the plain tower


def _plain_while_counted(tower: nn.Module, quick: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a tower, as it is while operations are counted, which is in the first step: torch would never compile it after that."""
    if is_in_torch_dispatch_mode():
        return tower._call_impl(*args, **kwargs)
    return quick(*args, **kwargs)


def check_compiler(how: Compile) -> None:
    """Raise CapabilityError when this machine lacks what inductor makes kernels with: a C++ compiler, on a GPU Triton."""
    if how is not True:
        return
    if torch.cuda.is_available():
        if not has_triton():
            raise CapabilityError(
                f"training.compile is true, but there is no Triton to make kernels for the GPU with. {_WITHOUT} triton."
            )
        return
    from torch._inductor.cpp_builder import get_cpp_compiler  # a second to import, for few
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as err:
        raise CapabilityError(
            "training.compile is true, but there is no C++ compiler to make kernels for this CPU with (looked for: CXX in the "
            f"environment, g++, clang++). {_WITHOUT} one, such as by apt-get install g++."
        ) from err
