"""Lightning without torchmetrics, which it imports to ask for its version: three seconds of a training's start.

torchmetrics in turn imports all of transformers, torchvision, scipy.signal and matplotlib that it finds. Nothing here logs a
metric of its kind. Whoever has imported it, or Lightning, already, has both as they are; whoever imports it later, gets it whole.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType

from torch import nn

_NAMES = ("torchmetrics", "torchmetrics.utilities", "torchmetrics.utilities.imports")


@contextmanager
def _stand_in() -> Iterator[None]:
    """Have modules in the place of torchmetrics while the block runs, with the two classes that Lightning asks values for."""
    if "torchmetrics" in sys.modules:
        yield
        return
    found = {name: ModuleType(name) for name in _NAMES}
    metrics, utilities, imports = found.values()
    metrics.__dict__.update(
        __version__=version("torchmetrics"), __path__=[], utilities=utilities,
        Metric=type("Metric", (nn.Module,), {}), MetricCollection=type("MetricCollection", (nn.ModuleDict,), {}),
    )  # fmt: skip
    utilities.__dict__.update(__path__=[], imports=imports)
    sys.modules.update(found)
    try:
        yield
    finally:
        for name in _NAMES:
            del sys.modules[name]


with _stand_in():
    import lightning as L

    importlib.import_module("lightning.pytorch.strategies")

__all__ = ["L"]
