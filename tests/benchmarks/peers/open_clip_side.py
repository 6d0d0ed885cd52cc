"""open_clip's own training pipeline over tars: `python open_clip_side.py TARS COUNT PIXELS BATCH train|val`.

`get_wds_dataset` of open_clip_train, made as its `main` makes it, with `image_transform` for training or for evaluation. The
batches are made in this process (workers 0), so that no time goes to sending them. Two epochs; one line of JSON.
"""

import json
import sys
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path

import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import image_transform
from open_clip_train.data import get_wds_dataset
from spent import passed


def main() -> None:
    """Load twice, and print."""
    torch.set_num_threads(1)
    folder, count, pixels, batch, way = Path(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5]
    tars = sorted(folder.glob("*.tar"))
    args = Namespace(
        train_data=f"{folder}/{{{tars[0].stem}..{tars[-1].stem}}}.tar", train_num_samples=count, batch_size=batch, workers=0,
        world_size=1, seed=0, dataset_resampled=False, train_data_upsampling_factors=None,
    )  # fmt: skip
    data = get_wds_dataset(
        args, image_transform(pixels, is_train=way == "train"), True, floor=True, tokenizer=SimpleTokenizer()
    )
    epochs = []
    for epoch in range(2):
        data.set_epoch(epoch)
        epochs.append(passed((images for images, _ in data.dataloader), (3, pixels, pixels)))
    versions = {name: version(name) for name in ("open_clip_torch", "webdataset", "torch", "pillow")}
    print(json.dumps({"epochs": epochs, "versions": versions}))


if __name__ == "__main__":
    main()
