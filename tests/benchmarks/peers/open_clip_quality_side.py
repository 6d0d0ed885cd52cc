"""open_clip's own training, `open_clip_train.main`, until a pool is known: `python open_clip_quality_side.py FOLDER SPLIT SEED SETTINGS`.

Loader, augmentation, model, loss, optimizer and schedule are made by its `main` from its own arguments. Its evaluation after
each epoch, 11 steps here, gives way to the look that every side takes. SETTINGS is a JSON object: `arguments` of its command
line beside those here, `pixels`, `target` and `stop`. Prints one line of JSON.
"""

import contextlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import open_clip_train.main as theirs
import torch
from open_clip_train.precision import get_autocast
from quality import Course, Pool, Reached
from quality_net import CONTEXT, DEPTH, HEADS, NAME, WIDTH, register
from spent import cpu_s


def main() -> None:
    """Train and print."""
    torch.set_num_threads(1)
    folder, split, seed, settings = Path(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    register()
    describe(folder, settings["pixels"])
    pool = Pool(folder, split)
    course = Course(pool.belongs, settings["target"], cpu_s, stop=settings["stop"])
    said: dict[str, Any] = {}

    def evaluate(model: Any, data: Any, epoch: int, args: Any, tb_writer: Any = None, tokenizer: Any = None) -> None:
        said["parameters"] = sum(p.numel() for p in model.parameters())
        course.look(epoch * data["train"].dataloader.num_batches, lambda: embedded(model, pool, tokenizer, args))

    one_epoch = theirs.train_one_epoch

    def train_one_epoch(model: Any, data: Any, loss: Any, epoch: int, *rest: Any, **named: Any) -> None:
        if epoch == 0:
            course.begins()
        one_epoch(model, data, loss, epoch, *rest, **named)

    theirs.evaluate, theirs.train_one_epoch = evaluate, train_one_epoch
    with contextlib.suppress(Reached):
        theirs.main([
            "--model", "small", "--train-data", f"{folder}/train.csv", "--val-data", f"{folder}/train.csv",
            "--dataset-type", "csv", "--csv-img-key", "filepath", "--csv-caption-key", "title", "--batch-size", "256",
            "--workers", "0", "--device", "cpu", "--logs", f"{folder}/logs-{seed}", "--save-frequency", "0", "--seed", seed,
            *settings["arguments"],
        ])  # fmt: skip
    print(course.told(**said, versions={name: version(name) for name in ("open_clip_torch", "torch")}))


def describe(folder: Path, pixels: int) -> None:
    """Let open_clip know the model: the image network by timm, its own text tower and tokenizer with the merges of FOLDER."""
    (folder / "open_clip").mkdir(exist_ok=True)
    described = {
        "embed_dim": WIDTH, "vision_cfg": {"image_size": pixels, "timm_model_name": NAME, "timm_pool": "avg", "timm_proj": "linear"},
        "text_cfg": {
            "context_length": CONTEXT, "vocab_size": 1024, "width": WIDTH, "heads": HEADS, "layers": DEPTH,
            "tokenizer_kwargs": {"bpe_path": f"{folder}/merges.txt.gz"},
        },
    }  # fmt: skip
    (folder / "open_clip" / "small.json").write_text(json.dumps(described))
    open_clip.add_model_config(folder / "open_clip" / "small.json")


@torch.no_grad()
def embedded(model: Any, pool: Pool, tokenizer: Any, args: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures and texts of the pool, in evaluation mode and in the precision of the training, as it evaluates itself."""
    model.eval()
    mean, std = (
        torch.tensor(numbers).view(3, 1, 1) for numbers in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    with get_autocast(args.precision, device_type="cpu")():
        pictures = model.encode_image((torch.from_numpy(pool.pixels) / 255 - mean) / std, normalize=True)
        texts = model.encode_text(tokenizer(pool.texts), normalize=True)
    return pictures.float().numpy(), texts.float().numpy()


if __name__ == "__main__":
    main()
