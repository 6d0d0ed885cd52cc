"""Which small CLIP a proof begins from. No torch here: whoever reads a recipe's card reads this."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class MicroClip:
    """Which one.

    Args:
        seed: draws scenes, weights and batches; another one is a model that has the same words and has seen other pictures. One seed draws the same things at
            any size, so it is best none by which others draw: by 0 the sets are that an adapted model is held to, and by small ones workspaces.
        patch: pixels a side of what a vision transformer takes for a token; None for the recipe's convolutional tower.
        scenes: pictures that are drawn, of which a good half is trained on.
        pixels: a side of what the tower sees.
        batch: pairs a step.
        steps: of the optimizer.
        offset: length of each projection's bias at the start, as of Projection; together with a low temperature that stays, it leaves a
            gap between the sides.
        temperature: kept at that; None learns it from the recipe's.

    Raises ConfigError for a patch that does not divide the pixels, an offset below 0, and a temperature that is not above it.
    """

    seed: int = 104_729
    patch: int | None = None
    scenes: int = 4_000
    pixels: int = 32
    batch: int = 128
    steps: int = 320
    offset: float = 0.0
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.patch is not None and (self.patch < 1 or self.pixels % self.patch):
            raise ConfigError(
                f"patch is {self.patch}, and {self.pixels} pixels do not split into such. Give one that divides {self.pixels}, such as 8."
            )
        if self.offset < 0 or (self.temperature is not None and self.temperature <= 0):
            raise ConfigError(
                f"offset is {self.offset} and temperature {self.temperature}. Give an offset of 0 or more, and a temperature above 0 or none."
            )
