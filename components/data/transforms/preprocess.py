"""From the bytes of one picture to the pixels a tower takes: the one path for training, evaluation and serving.

This file stands alone (Pillow, numpy and, where they are installed, simplejpeg and cykooz-resizer; nothing of ours): the exporter
copies it, as it is, into the served model repository beside `transforms.json`, so what is served is what was measured.
Axes: H = W = the model's size in pixels.
"""

import io
import json
import math
from dataclasses import asdict, dataclass

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageOps

try:
    import cykooz_resizer as simd
except ImportError:  # it has no wheel for Linux on ARM
    simd = None
try:
    import simplejpeg
except ImportError:  # Pillow decodes to the same pixels
    simplejpeg = None

MAX_PIXELS = 25_000_000  # a picture of 5,000 x 5,000; more is taken for a decompression bomb
MOST_FILLED = 4 * MAX_PIXELS  # of a square that a picture is shown in; a long picture fills one of many times its own
MOST_RESIZED = 32_000_000  # of a whole picture before it is cropped, which takes nearly all of a long one away
FAINT = 8  # of 255: what differs less from the background is margin
JPEG = b"\xff\xd8\xff"  # how one begins
PHOTOGRAPHS = ("JPEG", "MPO")  # the second is a phone's JPEG with a preview behind it
RESIZERS = ("pillow", "simd")
RESIZER = "pillow" if simd is None else "simd"
BICUBIC = "bicubic"
INTERPOLATIONS = (BICUBIC, "bilinear")


class BadImage(ValueError):
    """The bytes are not a picture we can show a model; the message is safe to send to a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """Decode, turn upright, trim if asked to, lay on a background, resize the short side, crop the centre (or squeeze).

    Args:
        size: pixels a side.
        background: RGB, 0 to 255, that shows through transparent pixels.
        trim: whether an even margin is cut away, so that drawings fill the frame whoever drew them.
        reduced: whether a JPEG is decoded at a half, a quarter or an eighth of its size where that is still `size` or more.
            Photographs of about a megapixel take half of the time, of two a third; the pixels differ by 1 of 255 on
            average from those of one decoded whole, by 3 where it was hardly larger. Not for one that is trimmed, of which a
            small part may be left.
        squeeze: whether all of the picture is pressed into the square, as SigLIP does, in place of cropping it to one.
        resizer: what resizes JPEGs in RGB: `simd` (cykooz-resizer, by the processor's vector instructions, in a fifth of the time),
            or `pillow`, which resizes all else too. Both are bicubic and equally near to exact arithmetic; their pixels differ
            by 0.2 of 255 on average. ImportError for `simd` where it is not installed.
        whole: whether all of the picture is resized, its long side rounded down to pixels, and the square cropped out of that, as
            torchvision and so open_clip do; else the square is resized alone, which moves a photograph's pixels by a fraction of one.
            By Pillow; nothing of a picture that is squeezed.
        interpolation: by what pixels are made of their neighbours, `bicubic` or `bilinear`, both with anti-aliasing; bilinear by Pillow.
    """

    size: int
    background: tuple[int, int, int] = (255, 255, 255)
    trim: bool = False
    reduced: bool = True
    squeeze: bool = False
    resizer: str = RESIZER
    whole: bool = False
    interpolation: str = BICUBIC

    def __post_init__(self) -> None:
        if self.resizer not in RESIZERS:
            raise ValueError(f"resizer is {self.resizer!r}, but a picture is resized by {' or '.join(RESIZERS)}.")
        if self.whole and self.resizer != "pillow":
            raise ValueError(
                "whole pictures are resized by Pillow alone, or pixels would be others than the model learned from. Set resizer to pillow."
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation is {self.interpolation!r}, but a picture is resized {' or '.join(INTERPOLATIONS)}."
            )
        if self.interpolation != BICUBIC and self.resizer != "pillow":
            raise ValueError(f"{self.interpolation} is Pillow's alone here. Set resizer to pillow.")
        if self.resizer == "simd" and simd is None:
            raise ImportError(
                "this model's pictures were resized by cykooz-resizer, which is not installed here; another resizer would show it pixels "
                "that it was not measured on. Install it: pip install cykooz-resizer (from source it takes a Rust compiler)."
            )

    def __call__(self, data: bytes) -> np.ndarray:
        """Return uint8 [3 H W]. Raises BadImage when the bytes cannot be decoded, or hold too many pixels."""
        shown = self.photograph(data)
        return self.fit(self.open(data, opaque=True)) if shown is None else shown

    def rgba(self, data: bytes) -> np.ndarray:
        """Return uint8 [4 H W], not laid on the background; errors as of a call."""
        fitted = self.photograph(data)
        if fitted is None:
            fitted = self.fit(self.open(data))
        return fitted if len(fitted) == 4 else np.concatenate([fitted, np.full_like(fitted[:1], 255)])

    def open(self, data: bytes, opaque: bool = False) -> Image.Image:
        """Return the upright picture, trimmed if asked to: RGBA, or RGB where nothing is transparent. Raises BadImage.

        An opaque one lies on the background, as do its own pixels before a square of many times as many is made of them.
        """
        opened = upright(data, self.size if self.reduced and not self.trim else None)
        if opaque:
            opened = on_background(opened, self.background)
        return trimmed(opened, self.background, opaque) if self.trim else opened

    def window(self, data: bytes) -> tuple[float, float, float, float]:
        """Return the part of the upright picture that is shown: left, top, right and bottom, from 0 to 1 of its sides.

        What lies at x of the picture is seen at (x - left) / (right - left). A trimmed picture may be shown with what is beyond its
        edges, so that left is below 0. Raises BadImage as a call.
        """
        opened = upright(data, self.size if self.reduced and not self.trim else None)
        width, height = opened.size
        square = filled(opened, self.background) if self.trim else None
        left, top, right, bottom = map(float, square or (0, 0, width, height))
        if self.whole and not self.squeeze and square is None:
            wide, high, x, y = self.within(width, height)
            return x / wide, y / high, (x + self.size) / wide, (y + self.size) / high
        if not self.squeeze:  # the square in the middle of it
            side = min(right - left, bottom - top)
            across, down = (right - left - side) / 2, (bottom - top - side) / 2
            left, top, right, bottom = left + across, top + down, right - across, bottom - down
        return left / width, top / height, right / width, bottom / height

    def fit(self, picture: Image.Image) -> np.ndarray:
        """Return uint8 [C H W] of a decoded picture, resized with anti-aliasing."""
        size, way = (self.size, self.size), Image.Resampling[self.interpolation.upper()]
        if picture.size == size:
            fitted = picture
        elif self.resizer == "simd" and picture.mode == "RGB" and picture.format in PHOTOGRAPHS:
            return self.fit_bytes(picture.tobytes(), picture.size)
        elif self.squeeze:
            fitted = picture.resize(size, way)
        elif self.whole:
            wide, high, left, top = self.within(*picture.size)
            if wide * high > MOST_RESIZED:  # the same place of it alone
                across, down = picture.width / wide, picture.height / high
                place = (left * across, top * down, (left + self.size) * across, (top + self.size) * down)
                fitted = picture.resize(size, way, box=place)
            else:
                resized = picture.resize((wide, high), way)
                fitted = resized.crop((left, top, left + self.size, top + self.size))
        else:
            fitted = ImageOps.fit(picture, size, way)
        return planes(np.asarray(fitted, np.uint8))

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the sides that a whole picture is resized to, and left and top of the square in it, in pixels."""
        short = min(width, height)
        wide, high = int(self.size * width / short), int(self.size * height / short)
        return wide, high, round((wide - self.size) / 2), round((high - self.size) / 2)

    def made(self, width: int, height: int) -> int:
        """Return how many pixels are made of a picture of those sides, a margin aside: of the square around it, or of all of it resized."""
        wide, high, *_ = self.within(width, height) if self.whole and not self.squeeze else (0, 0)
        return max(max(width, height) ** 2, wide * high)

    def fit_bytes(self, rgb: bytes, size: tuple[int, int]) -> np.ndarray:
        """Return uint8 [3 H W] of the bytes of an RGB picture of that width and height, by `simd`."""
        filtered = simd.ResizeAlg.convolution(simd.FilterType.catmull_rom)  # as Pillow's bicubic
        options = simd.ResizeOptions(resize_alg=filtered, fit_into_destination=not self.squeeze)
        fitted = simd.ImageData(self.size, self.size, simd.PixelType.U8x3)
        # a resizer each time: it has buffers, which threads cannot share
        simd.Resizer().resize(simd.ImageData(*size, simd.PixelType.U8x3, rgb), fitted, options)
        return planes(np.frombuffer(fitted.get_buffer(), np.uint8).reshape(self.size, self.size, 3))

    def photograph(self, data: bytes) -> np.ndarray | None:
        """Return uint8 [3 H W] of an upright JPEG in RGB, by simplejpeg and `simd` alone; None for whatever Pillow has to look at.

        The pixels are those that Pillow's decoder gives. A JPEG of which there is anything to say is none of it: Pillow says it.
        """
        if simplejpeg is None or self.resizer != "simd" or self.trim or not data.startswith(JPEG):
            return None
        try:
            with Image.open(io.BytesIO(data)) as opened:
                whole, turn = opened.size, opened.getexif().get(ExifTags.Base.Orientation, 1)
                if opened.mode != "RGB" or turn != 1 or opened.width * opened.height > MAX_PIXELS:
                    return None
                if self.reduced:
                    opened.draft(None, (self.size, self.size))  # type: ignore[arg-type]  # None keeps the mode
                width, height = opened.size
            least = (0, 0) if (width, height) == whole else (height, width)
            pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=least[0], min_width=least[1], min_factor=1)
        except Exception:  # of hostile bytes it may say nearly anything
            return None
        if pixels.shape != (height, width, 3):
            return None
        if width == height == self.size:
            return planes(pixels)
        return self.fit_bytes(pixels.tobytes(), (width, height))

    def to_json(self) -> str:
        """Return the text of transforms.json."""
        values = {"version": 1, **asdict(self)}
        if not self.squeeze:
            del values["squeeze"]  # what was packed before has the same bytes
        if self.resizer == "pillow":
            del values["resizer"]
        if not self.whole:
            del values["whole"]
        if self.interpolation == BICUBIC:
            del values["interpolation"]
        return json.dumps(values, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Preprocess":
        """Read the text of transforms.json; ValueError for a version that this code does not know."""
        values = json.loads(text)
        if values.pop("version", None) != 1:
            raise ValueError(
                "transforms.json is not of version 1; package the model again with this version of diptych."
            )
        return cls(
            size=int(values["size"]), background=tuple(values["background"]), trim=bool(values.get("trim", False)),
            reduced=bool(values.get("reduced", False)),  # older models learned of pictures decoded whole
            squeeze=bool(values.get("squeeze", False)), resizer=str(values.get("resizer", "pillow")),
            whole=bool(values.get("whole", False)), interpolation=str(values.get("interpolation", BICUBIC)),
        )  # fmt: skip


def planes(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 [C H W] of [H W C]."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def on_background(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return RGB with the background showing through; RGB comes back as it is."""
    if picture.mode == "RGB":
        return picture
    canvas = Image.new("RGBA", picture.size, (*background, 255))
    return Image.alpha_composite(canvas, picture).convert("RGB")


def trimmed(picture: Image.Image, background: tuple[int, int, int], opaque: bool = False) -> Image.Image:
    """Return the square around what differs from the background, see `filled`; a picture without one comes back as it is.

    Beyond its edges a picture is transparent, and the square RGBA; an opaque one, in RGB, has the background there. Of a long picture, whose
    square has more than MOST_FILLED pixels, it is a half of that size, a third, or whatever has no more.
    """
    square = filled(picture, background)
    if square is None:
        return picture
    left, top, right, _ = square
    side = right - left
    if side > (most := math.isqrt(MOST_FILLED)):
        part = math.ceil(side / most)
        picture, left, top, side = picture.reduce(part), left // part, top // part, side // part
    if opaque:
        shown = Image.new("RGB", (side, side), background)
        shown.paste(picture, (-left, -top))
        return shown
    return picture.convert("RGBA").crop((left, top, left + side, top + side))


def filled(picture: Image.Image, background: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom, in pixels, of the square around what differs, with a sixteenth of its side as margin.

    None for a picture without such a margin on all sides, such as a photograph, and for an empty one.
    """
    differs = ImageChops.difference(on_background(picture, background), Image.new("RGB", picture.size, background))
    box = differs.convert("L").point([0] * (FAINT + 1) + [255] * (255 - FAINT)).getbbox()
    if box is None or box == (0, 0, *picture.size):
        return None
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    side += side // 8
    left, top = (left + right - side) // 2, (top + bottom - side) // 2
    return left, top, left + side, top + side


def decode(data: bytes) -> Image.Image:
    """Return the upright RGBA picture, decoded whole. Raises BadImage as `upright` does."""
    return upright(data, None).convert("RGBA")


def upright(data: bytes, least: int | None) -> Image.Image:
    """Return the upright picture, RGBA, or RGB where nothing is transparent.

    A JPEG may be decoded smaller, its sides no shorter than `least` pixels; None decodes it whole. Raises BadImage when the
    bytes cannot be decoded, or hold too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise BadImage(
                    f"the picture has {opened.width} x {opened.height} pixels; at most {MAX_PIXELS:,} are taken"
                )
            if least is not None:
                opened.draft(None, (least, least))  # type: ignore[arg-type]  # None keeps the mode
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)
            shown = eight_bit(opened)
            if shown.mode == "RGB" and not shown.has_transparency_data:
                return shown  # as most photographs are; a copy of it would take as long as decoding it
            return shown.convert("RGBA" if shown.has_transparency_data else "RGB")
    except BadImage:
        raise
    except Exception as err:  # Pillow's decoders raise nearly anything on hostile bytes
        raise BadImage(f"the bytes are not a picture that can be decoded ({type(err).__name__})") from err


def eight_bit(picture: Image.Image) -> Image.Image:
    """Return greys of 16 bits as 8, with alpha where one is named as clear; Pillow's own conversion would show all above 255 white."""
    if picture.mode.startswith("I;16"):
        values, clear = np.asarray(picture), picture.info.get("transparency")
        shown = (values >> 8).astype(np.uint8)
        if getattr(picture, "tag_v2", {}).get(ExifTags.Base.PhotometricInterpretation) == 0:
            shown = 255 - shown  # a TIFF in which 0 is white; of 8 bits Pillow turns it round itself
        grey = Image.fromarray(shown)
        if clear is None:
            return grey
        return Image.merge("LA", (grey, Image.fromarray((values != clear) * np.uint8(255))))
    if picture.mode in ("I", "F"):
        raise BadImage(
            f"the picture's pixels are numbers without a white (mode {picture.mode}); give 8 or 16 bits a channel"
        )
    return picture


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Return float32 in [0, 1] of uint8 pixels; the tower subtracts mean and deviation itself."""
    return pixels.astype(np.float32) / np.float32(255)
