"""The image network that every side trains, for those that build theirs by timm's names: `ours()` teaches timm one.

`NET` is what the recipe `clip` has at `laptop`; a test holds them against each other.
"""

from typing import Any

from timm.models import register_model
from timm.models.resnet import ResNet, resnet18

NET = {
    "layers": [1, 1, 1, 1], "channels": [48, 96, 192, 256], "stem_type": "deep", "stem_width": 24, "avg_down": True,
}  # fmt: skip
NAME = "resnet_of_the_recipe"
CONTEXT, WIDTH, HEADS, DEPTH = 24, 128, 4, 1  # of the text tower; WIDTH is that of the shared space too


def register() -> None:
    """Let timm know the network by NAME."""

    def resnet_of_the_recipe(pretrained: bool = False, **kwargs: Any) -> ResNet:
        return resnet18(pretrained=False, **NET, **kwargs)

    resnet_of_the_recipe.__module__ = resnet18.__module__
    register_model(resnet_of_the_recipe)
