"""Pictures and texts at the edges of what is allowed, and bytes beyond them; the same on every machine."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

SEED = 20_240_607


def odd_pictures() -> dict[str, bytes]:
    """Return encoded pictures by what is odd about them; all can be decoded."""
    noise = np.random.default_rng(SEED).integers(0, 256, (48, 64, 4), np.uint8)
    rgba = Image.fromarray(noise, "RGBA")
    rgb = rgba.convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6  # "turn me a quarter to the right"
    return {
        "transparent": encode(rgba, "PNG"),
        "palette": encode(rgb.quantize(16), "PNG"),
        "palette with transparency": encode(rgb.quantize(16), "PNG", transparency=0),
        "grayscale": encode(rgb.convert("L"), "PNG"),
        "grayscale with transparency": encode(rgba.convert("LA"), "PNG"),
        "black and white": encode(rgb.convert("1"), "PNG"),
        "16 bits": encode(Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG"),
        "JPEG": encode(rgb, "JPEG", quality=80),
        "grayscale JPEG": encode(rgb.convert("L"), "JPEG"),
        "CMYK JPEG": encode(rgb.convert("CMYK"), "JPEG"),
        "turned JPEG": encode(rgb, "JPEG", exif=turned),
        "GIF": encode(rgb, "GIF"),
        "WebP": encode(rgb, "WEBP", lossless=True),
        "wide": encode(rgb.resize((400, 7)), "PNG"),
        "high": encode(rgb.resize((7, 400)), "PNG"),
        "one pixel": encode(rgb.resize((1, 1)), "PNG"),
    }


def odd_texts() -> dict[str, str]:
    """Return texts by what is odd about them; all are Unicode."""
    return {
        "empty": "",
        "blank": " \t\n ",
        "capitals": "A RED HEART",
        "accents": "cœur brisé, naïve façade",
        "combining accents": "cafe\u0301 nin\u0303o",
        "Chinese": "红色的心",
        "Arabic": "قلب أحمر",
        "emoji": "❤️‍🔥 👩🏽‍🚀",
        "zero byte": "red\x00heart",
        "unassigned": "\U0010ffff\ue000",
        "very long": "a very red heart with wings " * 400,
        "one long word": "x" * 5_000,
        "special tokens": "[PAD] <s> </s> <|endoftext|> [UNK]",
    }


def broken_pictures() -> dict[str, bytes]:
    """Return bytes that are no picture, by what they are."""
    whole = encode(Image.new("RGB", (64, 64), (10, 120, 40)), "PNG")
    return {
        "nothing": b"",
        "HTML": b"<!doctype html><title>404</title>",
        "cut PNG": whole[: len(whole) // 2],
        "zeros": bytes(1_000),
        "header only": whole[:8],
    }


def encode(picture: Image.Image, format: str, **options: object) -> bytes:
    """Return the bytes of a file with this picture."""
    file = io.BytesIO()
    save: Callable[..., None] = picture.save
    save(file, format, **options)
    return file.getvalue()
