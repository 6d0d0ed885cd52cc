"""What is served turns pictures into pixels and texts into ids as training does: a thousand of each, drawn to be odd, through a real Triton.

The server has an interpreter, a Pillow and a tokenizers of its own, so equal code alone does not make them equal.
"""

import io
import random

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

from components.data.transforms.preprocess import Preprocess, to_float
from components.serving.triton_client import MAX_BATCH, TritonClient, bytes_of, tensor_of

COUNT = 1_000
LETTERS = "abc XYZ 0189 äöüß éñ 日本 कि 🙂👩‍👩‍👧 ﷽ \t\n\u200b\u0301'\"\\<>&%{}[]"
WORDS = ("red", "green", "blue", "square", "a", "RED", "Square!", "unknown")


def drawn_text(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 30)))
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 200)))


def drawn_picture(rng: random.Random) -> bytes:
    """A picture of any shape, mode and format, of noise over a gradient, turned or transparent now and then."""
    width, height = rng.choice([(1, 1), (1, 90), (200, 3), (32, 32), (33, 31), (64, 48), (97, 150), (250, 251)])
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (height, width, 4), dtype=np.uint8)
    noise[..., :3] = noise[..., :3] // 4 + np.linspace(0, 190, width, dtype=np.uint8)[None, :, None]
    image = Image.fromarray(noise)
    how, modes = rng.choice(
        [("PNG", ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")), ("JPEG", ("RGB", "L", "CMYK")), ("WEBP", ("RGB", "RGBA")), ("GIF", ("P", "L")), ("BMP", ("RGB", "L"))]
    )  # fmt: skip
    mode = rng.choice(modes)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "CMYK":
        image = image.convert("RGB").convert("CMYK")
    else:
        image = image.convert(mode)
    options: dict[str, object] = {"quality": rng.choice([30, 75, 95])} if how in ("JPEG", "WEBP") else {}
    if how == "JPEG" and rng.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = rng.randint(1, 8)  # how the camera was held
        options["exif"] = exif
    file = io.BytesIO()
    image.save(file, how, **options)
    return file.getvalue()


def served(client: TritonClient, model: str, name: str, samples: list[bytes], result: str) -> np.ndarray:
    parts = [samples[at : at + MAX_BATCH] for at in range(0, len(samples), MAX_BATCH)]
    return np.concatenate(
        [client._infer(model, [tensor_of(name, part, (len(part), 1))]).as_numpy(result) for part in parts]
    )


def test_texts_have_the_ids_of_training(client, package):
    rng = random.Random(0)
    texts = [drawn_text(rng) for _ in range(COUNT)]
    tokenizer = Tokenizer.from_file(str(package / "tokenizer.json"))
    ids = served(client, "tokenizer", "text", [bytes_of(text) for text in texts], "input_ids")
    assert ids.tolist() == [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    assert len({tuple(row) for row in ids.tolist()}) > COUNT / 4, "texts that differ have ids that differ"


@pytest.mark.timeout(600)
def test_pictures_have_the_pixels_of_training(client, package):
    rng = random.Random(1)
    pictures = [drawn_picture(rng) for _ in range(COUNT)]
    preprocess = Preprocess.from_json((package / "transforms.json").read_text())
    pixels = served(client, "image_preprocess", "image", pictures, "pixel_values")
    furthest = [
        float(np.abs(row - to_float(preprocess(picture))).max()) for row, picture in zip(pixels, pictures, strict=True)
    ]
    assert max(furthest) <= 1 / 255 + 1e-6, (
        f"picture {int(np.argmax(furthest))} differs by {255 * max(furthest):.1f} of 255"
    )
    assert np.unique(pixels.reshape(COUNT, -1).round(3), axis=0).shape[0] > COUNT * 0.9, (
        "and they are different pictures"
    )
