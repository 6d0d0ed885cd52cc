"""A folder of pictures with captions in which every defect is planted that a heap of pictures has, and what each is.

Clean pictures are drawn: shapes and speckles on a slope of colours, no two alike, each with a caption of its own.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFilter

NOTHING = "clean"
COPIES = ("exact", "reencoded", "resized")  # planted two by two
SIDE = (160, 120)


def drawn(seed: int, size: tuple[int, int] = SIDE) -> Image.Image:
    """Return a picture that looks like that of no other seed, with detail at every scale."""
    draws, (width, height) = np.random.default_rng(seed), size
    slope = Image.fromarray(draws.integers(40, 216, (3, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(slope)
    for _ in range(14):
        x, y, wide, high = draws.random(4)
        box = (int(x * width * 0.9), int(y * height * 0.9))
        end = (box[0] + 4 + int(wide * width * 0.35), box[1] + 4 + int(high * height * 0.35))
        shape = (pen.ellipse, pen.rectangle)[draws.integers(2)]
        shape((*box, *end), fill=tuple(draws.integers(0, 256, 3).tolist()))
    speckles = draws.normal(0, 9, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(slope) + speckles, 0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, **options: object) -> bytes:
    """Return it as a JPEG."""
    held = io.BytesIO()
    picture.save(held, "JPEG", **{"quality": 92, **options})
    return held.getvalue()


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Return it as a file of another kind."""
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def tagged(orientation: int | None = None, latitude: float | None = None) -> bytes:
    """Return EXIF."""
    tags = Image.Exif()
    if orientation is not None:
        tags[ExifTags.Base.Orientation] = orientation
    if latitude is not None:
        tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (latitude, 31.0, 12.0)
    return tags.tobytes()


def caption(seed: int) -> str:
    """Return five words."""
    draws = np.random.default_rng(10_000 + seed)
    return " ".join("".join(draws.choice(list("abcdeilmnorst"), draws.integers(3, 8))) for _ in range(5))


# Kind of defect -> (suffix, what makes the picture of a seed).
PICTURES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "truncated": (".jpg", lambda seed: jpeg(drawn(seed))[: 1500 + 100 * (seed % 7)]),
    "zero_bytes": (".jpg", lambda seed: b""),
    "not_an_image": (".jpg", lambda seed: np.random.default_rng(seed).bytes(4000)),
    "html": (".jpg", lambda seed: b"<!doctype html><html><body><h1>404</h1>" + b"<p>gone</p>" * (seed % 9 + 1)),
    "bomb": (".png", lambda seed: saved(Image.new("1", (6000 + seed % 50, 5000)), "PNG")),
    "too_small": (".png", lambda seed: saved(drawn(seed, (6 + seed % 3, 9)), "PNG")),
    "aspect": (".jpg", lambda seed: jpeg(drawn(seed, (1200, 60 + seed % 9)))),
    "animated": (".gif", lambda seed: saved(drawn(seed), "GIF", save_all=True, append_images=[drawn(seed + 1), drawn(seed + 2)])),
    "cmyk_converted": (".jpg", lambda seed: jpeg(drawn(seed).convert("CMYK"))),
    "exif_rotated": (".jpg", lambda seed: jpeg(drawn(seed), exif=tagged(orientation=(3, 6, 8)[seed % 3]))),
    "blank": (".png", lambda seed: saved(Image.new("RGB", SIDE, (255 - seed % 40,) * 3), "PNG")),
    "gps": (".jpg", lambda seed: jpeg(drawn(seed), exif=tagged(latitude=float(seed % 80)))),
    "dark": (".jpg", lambda seed: jpeg(drawn(seed).point(lambda value: value // 20))),
    "overexposed": (".jpg", lambda seed: jpeg(drawn(seed).point(lambda value: 255 - (255 - value) // 40))),
    "blurred": (".jpg", lambda seed: jpeg(drawn(seed).filter(ImageFilter.GaussianBlur(9)))),
}  # fmt: skip

# Kind of defect -> what stands in the .txt; None for no file.
CAPTIONS: dict[str, Callable[[int], bytes | None]] = {
    "no_caption": lambda seed: None,
    "empty_caption": lambda seed: b" \n",
    "bad_utf8": lambda seed: f"{caption(seed)} in Zürich".encode("latin-1"),
    "mojibake": lambda seed: f"{caption(seed)} at the café, naïve".encode().decode("cp1252").encode(),
    "caption_too_long": lambda seed: " ".join(caption(seed * 100 + place) for place in range(80)).encode(),
    "email": lambda seed: f"{caption(seed)}, ask jo.{seed}@example.org".encode(),
    "phone": lambda seed: f"{caption(seed)}, call +44 20 7946 0{seed % 900 + 100}".encode(),
    "card": lambda seed: f"{caption(seed)}, paid with 4111 1111 1111 1111".encode(),
}


def twin(kind: str, picture: Image.Image) -> bytes:
    """Return a copy of a picture that was saved by `jpeg`."""
    if kind == "exact":
        return jpeg(picture)
    if kind == "reencoded":
        return jpeg(Image.open(io.BytesIO(jpeg(picture))), quality=70)
    return jpeg(picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS))


def plant(folder: Path, clean: int, each: int = 1) -> dict[str, str]:
    """Write `clean` sound pictures and `each` of every defect; return name -> what it is, NOTHING for the sound ones."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = {}
    for number, (kind, suffix, data, words) in enumerate(_planted(clean, each)):
        name = f"{number:05d}{suffix}"
        (folder / name).write_bytes(data)
        if words is not None:
            (folder / name).with_suffix(".txt").write_bytes(words)
        truth[name] = kind
    return truth


def _planted(clean: int, each: int) -> Iterator[tuple[str, str, bytes, bytes | None]]:
    """Yield (kind, suffix, picture, caption), the same for the same numbers."""
    seed = 0
    for _ in range(clean):
        seed += 10
        yield NOTHING, ".jpg", jpeg(drawn(seed)), caption(seed).encode()
    for _ in range(each):
        for kind, (suffix, make) in PICTURES.items():
            seed += 10
            yield kind, suffix, make(seed), caption(seed).encode()
        for kind, say in CAPTIONS.items():
            seed += 10
            yield kind, ".jpg", jpeg(drawn(seed)), say(seed)
        for kind in COPIES:
            seed += 10
            yield kind, ".jpg", jpeg(drawn(seed)), caption(seed).encode()
            yield kind, ".jpg", twin(kind, drawn(seed)), caption(seed + 1).encode()
