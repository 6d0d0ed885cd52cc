"""Random views of a batch of pictures: moved, turned, cropped, laid on another background, sketched or outlined, recoloured, blurred.

What is drawn is apart from what it does: the numbers of a whole batch come from a generator that the caller seeds, and
any part of the pictures can be shown with its part of them. So the same (seed, step) gives the same view on every
machine, after every resume, and however the batch is shared.
Axes: N pictures, C channels, H height, W width.
"""

import math
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from components.contracts.batch import Movable
from components.contracts.errors import ConfigError
from components.data.transforms.distort import NARROWEST, WIDEST, blurred, solarised
from components.data.transforms.draws import Draws, even
from components.data.transforms.lines import STRONGEST, with_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn(Movable):
    """What was drawn for each of N pictures.

    Args:
        angle: radians it is turned.
        size: against the original, 1 for the same.
        across: shift to the side, 2 being the whole width.
        down: the same in height.
        under: the colour that shows through transparent pixels, RGB in [0, 1].
        gain: factor of each channel.
        offset: added to each channel.
        grey: whether it loses its colour.
        half: half of the sides of the rectangle that is cut out, height and width, as a share of the picture's.
        middle: where that rectangle lies.
        cut: whether it is cut out at all.
        strength: of its lines; see with_lines.
        sketched: whether lines are all that is left.
        outlined: whether lines are laid over it.
        flipped: whether left and right change places; None where views flip none, as for the two below.
        blur: deviation of the blur, as a share of the side.
        solarised: whether its bright parts become dark.
    """

    angle: Float[Tensor, "N"]
    size: Float[Tensor, "N"]
    across: Float[Tensor, "N"]
    down: Float[Tensor, "N"]
    under: Float[Tensor, "N 3 1 1"]
    gain: Float[Tensor, "N 3 1 1"]
    offset: Float[Tensor, "N 3 1 1"]
    grey: Bool[Tensor, "N 1 1 1"]
    half: Float[Tensor, "N 2"]
    middle: Float[Tensor, "N 2"]
    cut: Bool[Tensor, "N 1 1"]
    strength: Float[Tensor, "N 1 1 1"]
    sketched: Bool[Tensor, "N 1 1 1"]
    outlined: Bool[Tensor, "N 1 1 1"]
    flipped: Bool[Tensor, "N"] | None = None
    blur: Float[Tensor, "N"] | None = None
    solarised: Bool[Tensor, "N 1 1 1"] | None = None

    def __len__(self) -> int:
        return len(self.angle)

    def part(self, rows: slice) -> "Drawn":
        """Return what was drawn for those pictures alone."""
        drawn = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(self, **{name: value[rows] for name, value in drawn.items() if value is not None})


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
        sketched: share of the pictures that become a drawing of their edges, dark on white.
        outlined: share of the pictures, beside those, whose edges are darkened.
        crop: least and most area of the window that is shown, as a share of the picture's; it lies anywhere within. The shift
            comes on top.
        flip: share of the pictures whose left and right change places.
        blur: share of the pictures that are blurred, each as far as is drawn.
        solarise: share of the pictures whose bright parts become dark.

    Raises ConfigError when more than all pictures would be sketched or outlined, and for a crop that is no part of a picture.
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
        sketched: float = 0.0,
        outlined: float = 0.0,
        crop: tuple[float, float] = (1.0, 1.0),
        flip: float = 0.0,
        blur: float = 0.0,
        solarise: float = 0.0,
    ) -> None:
        if min(sketched, outlined) < 0 or sketched + outlined > 1:
            raise ConfigError(
                f"sketched is {sketched} and outlined {outlined}, but they are shares of the same pictures. Give two from 0 to 1 "
                "that sum to at most 1."
            )
        if not 0 < crop[0] <= crop[1] <= 1:
            raise ConfigError(
                f"crop is {list(crop)}, but must be the least and the most of a picture's area that is shown. Give two numbers above 0 and up to "
                "1, the smaller first."
            )
        self.pixels, self.degrees, self.shift, self.zoom = pixels, degrees, shift, zoom
        self.colour, self.grey, self.background, self.erase = colour, grey, background, erase
        self.sketched, self.outlined = sketched, outlined
        self.crop, self.flip, self.blur, self.solarise = crop, flip, blur, solarise

    def __call__(self, pictures: UInt8[Tensor, "N C S S"], draw: torch.Generator) -> Float[Tensor, "N 3 H W"]:
        """Return views in [0, 1] of RGBA or RGB pictures, drawn for them alone."""
        return self.show(pictures, self.drawn(len(pictures), draw))

    def drawn_of(self, rows: Int[Tensor, "N"], draw: Draws) -> Drawn:
        """Return what happens to the pictures of these rows of a selection, as of `drawn`; it is the same for all but where a kind of views says otherwise."""
        return self.drawn(len(rows), draw)

    def drawn(self, count: int, draw: Draws) -> Drawn:
        """Return what happens to each of `count` pictures, drawn for all of them or, from streams, for each alone."""
        angle = uniform(draw, count, -self.degrees, self.degrees) * math.pi / 180
        size = uniform(draw, count, math.log(self.zoom[0]), math.log(self.zoom[1])).exp()
        across, down = (uniform(draw, count, -2 * self.shift, 2 * self.shift) for _ in "xy")
        colour = even(draw, count, 3, 1, 1)
        plain = even(draw, count, 1, 1, 1) >= self.background
        gain = uniform(draw, count, 1 - self.colour, 1 + self.colour, 3, 1, 1)
        offset = uniform(draw, count, -self.colour / 2, self.colour / 2, 3, 1, 1)
        grey = even(draw, count, 1, 1, 1) < self.grey
        sides = [uniform(draw, count, low, high) for _ in "yx" for low, high in ((0.05, 0.2), (0, 1))]
        cut = even(draw, count, 1, 1) < self.erase
        strength = uniform(draw, count, 0, STRONGEST).view(count, 1, 1, 1)
        lined = even(draw, count, 1, 1, 1)
        # What is asked for alone draws, and after all else, so that views without it are what they were.
        if min(self.crop) < 1:
            side = uniform(draw, count, *self.crop).sqrt()
            across, down = (shift + uniform(draw, count, -1, 1) * (1 - side) for shift in (across, down))
            size = size / side
        flipped = even(draw, count) < self.flip if self.flip else None
        blur = None
        if self.blur:
            blur = uniform(draw, count, NARROWEST, WIDEST) * (even(draw, count) < self.blur)
        solarised = even(draw, count, 1, 1, 1) < self.solarise if self.solarise else None
        return Drawn(
            angle=angle, size=size, across=across, down=down, under=torch.where(plain, torch.ones_like(colour), colour),
            gain=gain, offset=offset, grey=grey, half=torch.stack(sides[::2], 1), middle=torch.stack(sides[1::2], 1),
            cut=cut, strength=strength, sketched=lined < self.sketched,
            outlined=(lined >= self.sketched) & (lined < self.sketched + self.outlined),
            flipped=flipped, blur=blur, solarised=solarised,
        )  # fmt: skip

    def show(self, pictures: UInt8[Tensor, "N C S S"], drawn: Drawn) -> Float[Tensor, "N 3 H W"]:
        """Return views in [0, 1] of RGBA or RGB pictures, by what was drawn for them; the latter are opaque."""
        if pictures.shape[1] == 3:
            pictures = torch.cat([pictures, torch.full_like(pictures[:, :1], 255)], 1)
        moved = self.move(pictures.float() / 255, drawn)
        laid = moved[:, :3] + (1 - moved[:, 3:]) * drawn.under
        if self.sketched or self.outlined:
            laid = with_lines(laid, drawn.strength, drawn.sketched, drawn.outlined)
        return self.recolour(laid, drawn)

    def move(self, rgba: Float[Tensor, "N 4 S S"], drawn: Drawn) -> Float[Tensor, "N 4 H W"]:
        """Turn, zoom and shift each picture; what comes in from outside is transparent. Colours are premultiplied."""
        premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
        cos, sin = drawn.angle.cos() / drawn.size, drawn.angle.sin() / drawn.size
        across, down = (
            (cos, sin) if drawn.flipped is None else (torch.where(drawn.flipped, -one, one) for one in (cos, sin))
        )
        rows = [torch.stack([across, -sin, drawn.across], 1), torch.stack([down, cos, drawn.down], 1)]
        grid = affine_grid(torch.stack(rows, 1), [len(rgba), 4, self.pixels, self.pixels], align_corners=False)
        return grid_sample(premultiplied, grid, align_corners=False)

    def recolour(self, rgb: Float[Tensor, "N 3 H W"], drawn: Drawn) -> Float[Tensor, "N 3 H W"]:
        """Scale and move the channels, take the colour from some, cut a rectangle out of some, blur and solarise some."""
        rgb = rgb * drawn.gain + drawn.offset
        rgb = torch.where(drawn.grey, rgb.mean(1, keepdim=True), rgb)
        if self.erase:
            rgb = self.cut(rgb, drawn)
        rgb = rgb.clamp(0, 1)
        if drawn.blur is not None:
            rgb = blurred(rgb, drawn.blur)
        return rgb if drawn.solarised is None else solarised(rgb, drawn.solarised)

    def cut(self, rgb: Float[Tensor, "N 3 H W"], drawn: Drawn) -> Float[Tensor, "N 3 H W"]:
        """Put grey in place of a random rectangle of some pictures."""
        place = torch.linspace(0, 1, self.pixels, device=rgb.device)
        down, across = ((place - drawn.middle[:, [axis]]).abs() < drawn.half[:, [axis]] for axis in (0, 1))
        hole = (down[:, :, None] & across[:, None, :] & drawn.cut)[:, None]
        return torch.where(hole, torch.full_like(rgb, 0.5), rgb)


def uniform(draw: Draws, count: int, low: float, high: float, *shape: int) -> Float[Tensor, "count *shape"]:
    """Return numbers drawn evenly from [low, high], for `count` rows."""
    return even(draw, count, *shape) * (high - low) + low
