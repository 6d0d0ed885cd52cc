"""The picture's vector, added to a text's tokens after chosen blocks: what was masked can then be read off the picture.

Source: Nie et al. 2023, arXiv:2312.00674 (seed 52), whose abstract has unmasked image embeddings injected into masked text embeddings
at different stages; a linear map a stage is inferred. It belongs to the method, so that what is exported has none of it.
Axes: N texts, L tokens, F width of the text tower, D shared width.
"""

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.models.towers.text import Inject


class StageFusion(nn.Module):
    """h + G(u) after each chosen block, G a linear map of its own and u the picture's direction.

    Args:
        depth: blocks of the text tower.
        width: F.
        image_width: D.
        after: numbers of the blocks; None is every second one, the last among them, and an empty list fuses nothing.

    Raises ConfigError for a block that the tower has not.
    """

    def __init__(self, depth: int, width: int, image_width: int, after: Sequence[int] | None = None) -> None:
        super().__init__()
        chosen = range(1 - depth % 2, depth, 2) if after is None else sorted(set(after))
        if any(not 0 <= number < depth for number in chosen):
            raise ConfigError(
                f"fuse_after is {list(chosen)}, but the text tower has blocks 0 to {depth - 1}. Name some of these, or null for every "
                "second one."
            )
        self.maps = nn.ModuleDict({str(number): nn.Linear(image_width, width) for number in chosen})

    def of(self, image: Float[Tensor, "N D"]) -> Inject:
        """Return what a text tower is given as `inject`, for the picture of each text."""
        return partial(self._fused, normalize(image, dim=-1))

    def _fused(self, image: Tensor, number: int, tokens: Float[Tensor, "N L F"]) -> Float[Tensor, "N L F"]:
        if str(number) not in self.maps:
            return tokens
        return tokens + self.maps[str(number)](image)[:, None]
