"""A package as a model of transformers with code of its own, which infinity-emb serves: the same ONNX graphs, transforms and tokenizer as the others.

`infinity_model.py PACKAGE FOLDER` writes the folder that `infinity_emb v2 --model-id FOLDER --trust-remote-code` takes. Its own engine for ONNX pools what
a text encoder says of each token and knows no pictures; by torch it takes any model that has `get_text_features` and `get_image_features`, which here run
onnxruntime on one thread. It decodes and queues pictures itself, batches, and divides rows by their length.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

from components.data.transforms.preprocess import Preprocess, on_background, to_float, trimmed


class PackageConfig(PretrainedConfig):
    """Names the package."""

    model_type = "package"

    def __init__(self, package: str = "", **others: Any) -> None:
        super().__init__(**others)
        self.package = package


class PackageModel(PreTrainedModel):
    """The package's two graphs."""

    config_class = PackageConfig

    def __init__(self, config: PackageConfig) -> None:
        super().__init__(config)
        self.nothing = torch.nn.Parameter(torch.zeros(1))  # by which it has a device and a dtype
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._sides = {
            side: ort.InferenceSession(f"{config.package}/{side}_encoder.onnx", options, ["CPUExecutionProvider"])
            for side in ("image", "text")
        }

    @classmethod
    def from_pretrained(cls, named: str, *_: Any, config: PackageConfig, **__: Any) -> "PackageModel":
        """Return the model that a config names; there are no weights beside it."""
        return cls(config).eval()

    def get_text_features(self, input_ids: torch.Tensor, attention_mask: Any = None) -> torch.Tensor:
        """Return rows of texts."""
        return torch.from_numpy(self._sides["text"].run(["text_embeds"], {"input_ids": input_ids.numpy()})[0])

    def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return rows of pictures."""
        return torch.from_numpy(self._sides["image"].run(["image_embeds"], {"pixel_values": pixel_values.numpy()})[0])


class PackageProcessor(ProcessorMixin):
    """The package's tokenizer and transform."""

    attributes: tuple[str, ...] = ()

    def __init__(self, package: str) -> None:
        self._tokenizer = Tokenizer.from_file(f"{package}/tokenizer.json")
        self._preprocess = Preprocess.from_json(Path(package, "transforms.json").read_text(encoding="utf-8"))

    @classmethod
    def from_pretrained(cls, named: str, **_: Any) -> "PackageProcessor":
        """Return that of the folder."""
        return cls(json.loads(Path(named, "config.json").read_text(encoding="utf-8"))["package"])

    def __call__(
        self, images: list[Image.Image] | None = None, text: list[str] | None = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """Return what the graphs take."""
        found = {}
        if text:
            found["input_ids"] = torch.tensor([self._tokenizer.encode(one).ids for one in text], dtype=torch.int64)
        if images:
            found["pixel_values"] = torch.from_numpy(to_float(np.stack([self._pixels(one) for one in images])))
        return found

    def _pixels(self, picture: Image.Image) -> np.ndarray:
        shown = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        if self._preprocess.trim:
            shown = trimmed(shown, self._preprocess.background)
        return self._preprocess.fit(on_background(shown, self._preprocess.background))


def main(package: Path, folder: Path) -> None:
    """Write the folder."""
    folder.mkdir()
    here = Path(__file__)
    shutil.copyfile(here, folder / here.name)
    of = {
        name: f"{here.stem}.{its.__name__}"
        for name, its in (
            ("AutoConfig", PackageConfig),
            ("AutoModel", PackageModel),
            ("AutoProcessor", PackageProcessor),
        )
    }
    said = {
        "model_type": "package", "architectures": ["PackageModel"], "auto_map": of, "package": str(package.resolve()),
        "vision_config": {"by": "onnxruntime"},  # by which infinity-emb takes it for one of texts and pictures
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
