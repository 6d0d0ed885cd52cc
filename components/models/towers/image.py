"""Any timm network as an image tower.

Source: timm; its class names are its own. Differs: takes pixels in [0, 1] and normalises inside, so that an exported
encoder needs no mean and deviation beside it.
Axes: N pictures, H height, W width, F features.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Tower
from components.contracts.errors import ConfigError


class ImageTower(Tower):
    """A timm network without its classifier.

    Args:
        net: timm's name of the architecture, such as `resnet18` or `vit_tiny_patch16_224`; weights start random.
        net_args: what timm takes for that architecture, such as `channels` of a ResNet or `img_size` of a ViT.
        mean: mean of the pixels, RGB in [0, 1].
        std: standard deviation of the pixels, RGB in [0, 1].

    Raises ConfigError when timm does not know the network or one of its arguments.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: str,
        net_args: Mapping[str, Any] | None = None,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.25, 0.25, 0.25),
    ) -> None:
        super().__init__()
        import timm  # seconds to import, which checking a recipe need not spend

        try:
            self.net = timm.create_model(net, pretrained=False, num_classes=0, **dict(net_args or {}))
        except (RuntimeError, TypeError, AssertionError) as err:
            near = ", ".join(get_close_matches(net, timm.list_models(), 3)) or "none has a name like it"
            raise ConfigError(
                f"timm cannot build the image network {net!r} with {dict(net_args or {})}: {err}. "
                f"Give a name that timm.list_models() has ({near}) and arguments that its class takes."
            ) from err
        self.width = int(self.net.num_features)  # type: ignore[arg-type]  # timm's nets all have it
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, rows: Images | Texts) -> Float[Tensor, "N F"]:
        """Return the pooled features of each picture."""
        assert isinstance(rows, Images), "an image tower was handed texts"
        return self.net((rows.pixels - self.mean) / self.std)
