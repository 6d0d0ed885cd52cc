"""How far models of real sizes are from themselves where other libraries read them: `python -m tests.benchmarks.interop --keep`.

Architectures of open_clip with random weights, in its own folder with a small tokenizer, each exported as `diptych export FOLDER --to …` does: read by our code, written, loaded again by the other library, and compared
on the same pictures and texts, rows of length 1. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/interop.json, of which docs/interop.md shows `page`.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from components.contracts.errors import CapabilityError
from components.recipes.exported import To, export_model
from flows.machine import machine
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit

MODELS = {"ViT-B-32": "clip_gelu", "RN50": "clip_gelu", "ViT-B-16-SigLIP": "siglip"}
"""Architecture -> the folder of tests/golden/transformers that has a tokenizer of its kind."""
WAYS: Sequence[To] = ("open_clip", "hf", "onnx")
KEPT_AT = ROOT / "docs/benchmarks/interop.json"


def main() -> None:
    """Take each there, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [taken(name, Path(folder) / name) for name in MODELS]
    said = {
        "bench": "interop", "models": found, "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": machine(),
        "command": "python -m tests.benchmarks.interop",
    }  # fmt: skip
    if asked.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def taken(name: str, folder: Path) -> dict[str, Any]:
    """Return, of a model, its size, and by each way who read it and how far it was, or why there is no such way."""
    numbers, ways = make(name, folder / "theirs"), dict[str, Any]()
    for way in WAYS:
        try:
            found = export_model(folder / "theirs", way, folder / way)
            ways[way] = {"by": found.by, "furthest": dict(found.furthest)}
        except CapabilityError as err:
            ways[way] = {"none": str(err)}
    shutil.rmtree(folder)
    return {"model": name, "numbers": numbers, "ways": ways}


def make(name: str, folder: Path) -> int:
    """Write a model with random weights as open_clip keeps it; return how many numbers it has."""
    torch.manual_seed(0)
    model, config = open_clip.create_model(name, pretrained=None), open_clip.get_model_config(name)
    config["text_cfg"].pop("hf_tokenizer_name", None)
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    (folder / "tokenizer.json").write_text(json.dumps(filled(MODELS[name], config["text_cfg"]["vocab_size"])))
    return sum(one.numel() for one in model.parameters())


def filled(family: str, count: int) -> dict[str, Any]:
    """Return a small tokenizer with as many tokens as an architecture has, most of which no text has."""
    said: dict[str, Any] = json.loads(
        (ROOT / f"tests/golden/transformers/{family}/tokenizer.json").read_text(encoding="utf-8")
    )
    first = 1 + max(*said["model"]["vocab"].values(), *(token["id"] for token in said["added_tokens"]))
    said["model"]["vocab"] |= {f"<{number}>": number for number in range(first, count)}
    return said


def page(said: Mapping[str, Any]) -> str:
    """Return the table of docs/interop.md."""
    lines = ["| model | " + " | ".join(f"`{way}`" for way in WAYS) + " |", "| --- |" + " --- |" * len(WAYS)]
    for one in said["models"]:
        cells = [
            "no such parts there" if "none" in way else ", ".join(f"{value:.1e}" if value else "0" for value in way["furthest"].values())
            for way in one["ways"].values()
        ]  # fmt: skip
        lines.append(f"| `{one['model']}`, {one['numbers'] / 1e6:.0f} M numbers | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
