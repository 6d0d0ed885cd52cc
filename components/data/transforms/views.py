"""Random views of a batch of pictures: moved, turned, laid on another background, drawn in lines, recoloured.

Whole batches at once on tensors, each picture with its own draw, from a generator that the caller seeds: the same
(seed, step) gives the same view on every machine and after every resume.
Axes: N pictures, H height, W width.
"""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from components.contracts.errors import ConfigError
from components.data.transforms.lines import with_lines


class Views:
    """What a training picture goes through.

    Args:
        pixels: pixels a side of what comes out.
        degrees: most that a picture is turned, either way.
        shift: most that it is moved, as a share of its side.
        zoom: least and most size against the original; drawn evenly on a logarithmic scale.
        colour: most that each channel is scaled away from 1 and moved away from 0.
        grey: share of the pictures that lose their colour.
        background: share of the pictures whose transparent part shows a random colour in place of white.
        erase: share of the pictures that lose a random rectangle of up to 0.4 of each side.
        drawn: share of the pictures that become a drawing of their edges, dark on white.
        outlined: share of the pictures, beside those, whose edges are darkened.

    Raises ConfigError when more than all pictures would be drawn or outlined.
    """

    def __init__(
        self,
        pixels: int,
        degrees: float = 10.0,
        shift: float = 0.06,
        zoom: tuple[float, float] = (0.8, 1.1),
        colour: float = 0.2,
        grey: float = 0.1,
        background: float = 0.5,
        erase: float = 0.0,
        drawn: float = 0.0,
        outlined: float = 0.0,
    ) -> None:
        if min(drawn, outlined) < 0 or drawn + outlined > 1:
            raise ConfigError(
                f"drawn is {drawn} and outlined {outlined}, but they are shares of the same pictures. Give two from 0 to 1 that "
                "sum to at most 1."
            )
        self.pixels, self.degrees, self.shift, self.zoom = pixels, degrees, shift, zoom
        self.colour, self.grey, self.background, self.erase = colour, grey, background, erase
        self.drawn, self.outlined = drawn, outlined

    def __call__(self, pictures: UInt8[Tensor, "N 4 S S"], draw: torch.Generator) -> Float[Tensor, "N 3 H W"]:
        """Return views in [0, 1] of RGBA pictures."""
        moved = self.move(pictures.float() / 255, draw)
        laid = self.lay(moved, draw)
        if self.drawn or self.outlined:
            laid = with_lines(laid, self.drawn, self.outlined, draw)
        return self.recolour(laid, draw)

    def move(self, rgba: Float[Tensor, "N 4 S S"], draw: torch.Generator) -> Float[Tensor, "N 4 H W"]:
        """Turn, zoom and shift each picture; what comes in from outside is transparent."""
        count = len(rgba)
        premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
        angle = uniform(draw, count, -self.degrees, self.degrees) * math.pi / 180
        size = uniform(draw, count, math.log(self.zoom[0]), math.log(self.zoom[1])).exp()
        cos, sin = angle.cos() / size, angle.sin() / size
        across, down = (uniform(draw, count, -2 * self.shift, 2 * self.shift) for _ in "xy")
        matrix = torch.stack([torch.stack([cos, -sin, across], 1), torch.stack([sin, cos, down], 1)], 1)
        grid = affine_grid(matrix, [count, 4, self.pixels, self.pixels], align_corners=False)
        return grid_sample(premultiplied, grid, align_corners=False)

    def lay(self, rgba: Float[Tensor, "N 4 H W"], draw: torch.Generator) -> Float[Tensor, "N 3 H W"]:
        """Lay premultiplied pictures on white, or on a colour of their own."""
        count = len(rgba)
        colour = torch.rand(count, 3, 1, 1, generator=draw)
        plain = torch.rand(count, 1, 1, 1, generator=draw) >= self.background
        under = torch.where(plain, torch.ones_like(colour), colour)
        return rgba[:, :3] + (1 - rgba[:, 3:]) * under

    def recolour(self, rgb: Float[Tensor, "N 3 H W"], draw: torch.Generator) -> Float[Tensor, "N 3 H W"]:
        """Scale and move the channels, take the colour from some, cut a rectangle out of some."""
        count = len(rgb)
        gain = uniform(draw, count * 3, 1 - self.colour, 1 + self.colour).view(count, 3, 1, 1)
        offset = uniform(draw, count * 3, -self.colour / 2, self.colour / 2).view(count, 3, 1, 1)
        rgb = rgb * gain + offset
        greyed = torch.rand(count, 1, 1, 1, generator=draw) < self.grey
        rgb = torch.where(greyed, rgb.mean(1, keepdim=True), rgb)
        if self.erase:
            rgb = self.cut(rgb, draw)
        return rgb.clamp(0, 1)

    def cut(self, rgb: Float[Tensor, "N 3 H W"], draw: torch.Generator) -> Float[Tensor, "N 3 H W"]:
        """Put grey in place of a random rectangle of some pictures."""
        count, place = len(rgb), torch.linspace(0, 1, self.pixels)
        inside = []
        for _ in "yx":
            half = uniform(draw, count, 0.05, 0.2)[:, None]
            inside.append((place - uniform(draw, count, 0, 1)[:, None]).abs() < half)
        chosen = torch.rand(count, 1, 1, generator=draw) < self.erase
        hole = (inside[0][:, :, None] & inside[1][:, None, :] & chosen)[:, None]
        return torch.where(hole, torch.full_like(rgb, 0.5), rgb)


def uniform(draw: torch.Generator, count: int, low: float, high: float) -> Float[Tensor, "count"]:
    """Return `count` numbers drawn evenly from [low, high]."""
    return torch.rand(count, generator=draw) * (high - low) + low
