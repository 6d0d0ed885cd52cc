"""Write tests/golden/huggingface/ with Hugging Face's own `datasets`, which the tests do not need.

    python -m venv /tmp/hf && /tmp/hf/bin/pip install datasets==5.2.0 pillow && /tmp/hf/bin/python tests/golden/make_huggingface.py

Two splits of 8 and 4 pictures of 16 x 16 pixels, told apart by their colour, with two captions and a class each.
"""

import io
import shutil
from pathlib import Path

import datasets
from PIL import Image

PLACE = Path(__file__).with_name("huggingface")
KINDS = ("dark", "light")


def png(number: int) -> bytes:
    """Return a picture that no other number has: a slope, so that it is not blank."""
    held = io.BytesIO()
    picture = Image.linear_gradient("L").resize((16, 16)).point(lambda value: (value // 2 + 10 * number) % 256)
    picture.convert("RGB").save(held, "PNG")
    return held.getvalue()


def rows(numbers: range) -> dict[str, list[object]]:
    """Return columns of these pictures."""
    return {
        "image": [{"bytes": png(number), "path": f"{number}.png"} for number in numbers],
        "captions": [[f"slope {number}", f"a slope of {number}"] for number in numbers],
        "label": [number % 2 for number in numbers],
        "id": list(numbers),
    }


def main() -> None:
    """Write both kinds of folder: save_to_disk's Arrow, and the Parquet that the Hub holds."""
    features = datasets.Features(
        image=datasets.Image(), captions=datasets.Sequence(datasets.Value("string")),
        label=datasets.ClassLabel(names=list(KINDS)), id=datasets.Value("int64"),
    )  # fmt: skip
    parts = {"train": range(8), "test": range(8, 12)}
    made = {name: datasets.Dataset.from_dict(rows(numbers), features=features) for name, numbers in parts.items()}
    shutil.rmtree(PLACE, ignore_errors=True)
    datasets.DatasetDict(made).save_to_disk(PLACE / "disk", num_shards={"train": 2, "test": 1})
    (PLACE / "hub/data").mkdir(parents=True)
    for name, one in made.items():
        one.to_parquet(PLACE / f"hub/data/{name}-00000-of-00001.parquet")


if __name__ == "__main__":
    main()
