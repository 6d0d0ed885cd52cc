"""Which small CLIP a proof begins from. No torch here: whoever reads a recipe's card reads this."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class MicroClip:
    """Which one.

    Args:
        seed: draws scenes, weights and batches; another one is a model that has the same words and has seen other pictures.
        patch: pixels a side of what a vision transformer takes for a token; None for the recipe's convolutional tower.
        scenes: pictures that are drawn, of which a good half is trained on.
        pixels: a side of what the tower sees.
        batch: pairs a step.
        steps: of the optimizer.

    Raises ConfigError for a patch that does not divide the pixels.
    """

    seed: int = 0
    patch: int | None = None
    scenes: int = 4_000
    pixels: int = 32
    batch: int = 128
    steps: int = 320

    def __post_init__(self) -> None:
        if self.patch is not None and (self.patch < 1 or self.pixels % self.patch):
            raise ConfigError(
                f"patch is {self.patch}, and {self.pixels} pixels do not split into such. Give one that divides {self.pixels}, such as 8."
            )
