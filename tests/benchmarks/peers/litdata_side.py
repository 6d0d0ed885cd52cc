"""litdata over what it made of the tars once: `python litdata_side.py TARS COUNT PIXELS BATCH train|val`.

`optimize` keeps the JPEGs as they are, which is told and not part of an epoch. Then a StreamingDataset, shuffled, with the
transforms that open_clip has (written out here, from torchvision), in this process. Two epochs; one line of JSON.
"""

import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from litdata import StreamingDataLoader, StreamingDataset, optimize
from PIL import Image
from spent import cpu_s, passed
from torchvision import transforms as tv

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # OpenAI's


def members(tar: str) -> Iterator[dict[str, Any]]:
    """Yield picture and caption of each record of a tar."""
    with tarfile.open(tar) as opened:
        found = {member.name: opened.extractfile(member).read() for member in opened}
    for name in sorted(one for one in found if one.endswith(".jpg")):
        yield {"image": found[name], "text": found[f"{name[:-4]}.txt"].decode()}


def transform(pixels: int, way: str) -> tv.Compose:
    """Return what open_clip's image_transform is, without it."""
    bicubic = tv.InterpolationMode.BICUBIC
    resized = (
        [tv.RandomResizedCrop(pixels, scale=(0.9, 1.0), interpolation=bicubic)]
        if way == "train"
        else [tv.Resize(pixels, interpolation=bicubic), tv.CenterCrop(pixels)]
    )
    return tv.Compose([*resized, tv.ToTensor(), tv.Normalize(MEAN, DEVIATION)])


class Pictures(StreamingDataset):
    """The samples, decoded."""

    def __init__(self, folder: str, shown: tv.Compose) -> None:
        super().__init__(folder, shuffle=True, drop_last=True)
        self.shown = shown

    def __getitem__(self, index: Any) -> Any:
        row = super().__getitem__(index)
        return self.shown(Image.open(io.BytesIO(row["image"])).convert("RGB")), row["text"]


def main() -> None:
    """Write, load twice, and print."""
    torch.set_num_threads(1)
    folder, _, pixels, batch, way = Path(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5]
    with tempfile.TemporaryDirectory() as made:
        before = cpu_s()
        optimize(
            fn=members, inputs=[str(tar) for tar in sorted(folder.glob("*.tar"))], output_dir=made, chunk_bytes="64MB", num_workers=1,
            verbose=False,
        )  # fmt: skip
        prepared_s = cpu_s() - before
        loader = StreamingDataLoader(
            Pictures(made, transform(pixels, way)), batch_size=batch, num_workers=0, drop_last=True
        )
        epochs = [passed((images for images, _ in loader), (3, pixels, pixels)) for _ in range(2)]
    versions = {name: version(name) for name in ("litdata", "torch", "pillow")}
    print(json.dumps({"epochs": epochs, "prepared_cpu_s": prepared_s, "versions": versions}))


if __name__ == "__main__":
    main()
