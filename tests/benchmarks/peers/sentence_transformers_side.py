"""sentence-transformers' own trainer until a pool is known: `python sentence_transformers_side.py FOLDER SPLIT SEED SETTINGS`.

The model is a module of our own, as its page on custom models asks for: the image network by timm, transformers' CLIP text tower.
Trainer, data set, collator, batches without duplicates and the contrast, both ways, are its own. SETTINGS is a JSON object:
`arguments` of its training arguments beside those here, `pixels`, `target` and `stop`. Prints one line of JSON.
"""

import contextlib
import gzip
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from datasets import Dataset, Image
from PIL.Image import Image as Picture
from quality import Course, Pool, Reached
from quality_net import CONTEXT, DEPTH, HEADS, NAME, WIDTH, register
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.modules.input_module import InputModule
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from spent import cpu_s
from torch import Tensor, nn
from torchvision.transforms import v2
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer, TrainerCallback

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # OpenAI's


class Towers(InputModule):
    """Pictures or texts in, rows of one space out.

    Args:
        tokenizer: CLIP's.
        pixels: pixels a side of what the image network sees.
    """

    def __init__(self, tokenizer: CLIPTokenizer, pixels: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.image = timm.create_model(NAME, num_classes=0)
        self.image_projection = nn.Linear(self.image.num_features, WIDTH, bias=False)
        self.text = CLIPTextModelWithProjection(CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH,
            num_hidden_layers=DEPTH, num_attention_heads=HEADS, max_position_embeddings=CONTEXT,
            pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        ))  # fmt: skip
        self.views = v2.Compose([
            v2.RandomResizedCrop(pixels, scale=(0.9, 1.0), interpolation=v2.InterpolationMode.BICUBIC), v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD),
        ])  # fmt: skip  # open_clip's; the library has none of its own

    @property
    def modalities(self) -> list[Any]:
        """What it takes."""
        return ["text", "image"]

    def preprocess(self, inputs: Any, prompt: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """Return what `forward` takes: of pictures, a view; of texts, their tokens."""
        if isinstance(inputs[0], Picture):
            return {"pixel_values": torch.stack([self.views(picture.convert("RGB")) for picture in inputs])}
        return dict(
            self.tokenizer(list(inputs), padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt")
        )

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Return the features with `sentence_embedding` [N D]."""
        if "pixel_values" in features:
            features["sentence_embedding"] = self.image_projection(self.image(features["pixel_values"]))
        else:
            read = {name: features[name] for name in ("input_ids", "attention_mask")}
            features["sentence_embedding"] = self.text(**read).text_embeds
        return features

    def get_embedding_dimension(self) -> int:
        """Return D."""
        return WIDTH

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Nothing here is kept."""


class Looking(TrainerCallback):
    """Looks at the pool every `every` steps."""

    def __init__(self, course: Course, pool: Pool, towers: Towers, every: int, *, bf16: bool) -> None:
        self.course, self.pool, self.towers, self.every, self.bf16 = course, pool, towers, every, bf16

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The first step comes next."""
        self.course.begins()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look."""
        if state.global_step % self.every == 0:
            self.course.look(state.global_step, self.embedded)

    @torch.no_grad()
    def embedded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return pictures and texts of the pool, in evaluation mode and the precision of the training."""
        self.towers.eval()
        mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (MEAN, STD))
        sides = [
            {"pixel_values": (torch.from_numpy(self.pool.pixels) / 255 - mean) / std},
            self.towers.preprocess(self.pool.texts),
        ]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            rows: list[Tensor] = [self.towers(side)["sentence_embedding"].float() for side in sides]
        self.towers.train()
        pictures, texts = (nn.functional.normalize(row, dim=-1).numpy() for row in rows)
        return pictures, texts


def main() -> None:
    """Train and print."""
    torch.set_num_threads(1)
    folder, split, seed, settings = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
    register()
    torch.manual_seed(seed)
    towers, pool = Towers(tokenizer_of(folder), settings["pixels"]), Pool(folder, split)
    course = Course(pool.belongs, settings["target"], cpu_s, stop=settings["stop"])
    model = SentenceTransformer(modules=[towers], device="cpu")
    loss = MultipleNegativesRankingLoss(
        model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )  # CLIP's
    arguments = SentenceTransformerTrainingArguments(**{
        "output_dir": f"{folder}/sentence-transformers-{seed}", "per_device_train_batch_size": 256, "use_cpu": True, "seed": seed,
        "batch_sampler": "no_duplicates", "save_strategy": "no", "report_to": "none", "disable_tqdm": True, "logging_strategy": "no",
        "dataloader_drop_last": True, "dataloader_pin_memory": False,
        **settings["arguments"],
    })  # fmt: skip
    looking = Looking(course, pool, towers, settings["every"], bf16=arguments.bf16)
    trainer = SentenceTransformerTrainer(model, arguments, pairs(folder), loss=loss, callbacks=[looking])
    with contextlib.suppress(Reached):
        trainer.train()
    counted = sum(p.numel() for p in model.parameters())
    print(
        course.told(parameters=counted, versions={name: version(name) for name in ("sentence-transformers", "torch")})
    )


def pairs(folder: Path) -> Dataset:
    """Return pictures and texts as its data set; pictures are decoded as they are asked for."""
    rows = [line.split("\t") for line in (folder / "train.csv").read_text(encoding="utf-8").splitlines()[1:]]
    found = Dataset.from_dict({"image": [path for path, _ in rows], "text": [text for _, text in rows]})
    return found.cast_column("image", Image())


def tokenizer_of(folder: Path) -> CLIPTokenizer:
    """Return CLIP's tokenizer with the merges of FOLDER, its ids as open_clip's."""
    merges = gzip.decompress((folder / "merges.txt.gz").read_bytes()).decode().splitlines()[1:]
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(code) for code in letters] + [chr(256 + place) for place in range(256 - len(letters))]
    tokens = [
        *alphabet,
        *(f"{one}</w>" for one in alphabet),
        *("".join(merge.split()) for merge in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=[tuple(merge.split()) for merge in merges],
        model_max_length=CONTEXT,
    )  # fmt: skip


if __name__ == "__main__":
    main()
