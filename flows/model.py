"""`diptych model import`: models of open_clip and transformers as ours. Needs no workspace."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

NAMES = {"open_clip": "open_clip", "huggingface": "transformers"}


def import_model(
    path: Path, library: str, out: Path, config: Path | None, tokenizer: Path | None, as_json: bool
) -> None:
    """Read theirs, write ours, and say what it is; DataError, ConfigError or CapabilityError for what cannot be read."""
    from components.recipes import interop

    moved = interop.import_model(path, library, out, config, tokenizer)  # type: ignore[arg-type]  # argparse has checked it
    told(asdict(moved), f"{path}, of {NAMES[library]}, is now ours", as_json)


def told(moved: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    """Print what was moved, as JSON or as two lines."""
    if as_json:
        print(json.dumps({**moved, "folder": str(moved["folder"])}))
        return
    print(
        f"{sentence}: {moved['parameters']:,} numbers in {moved['tensors']} tensors, {moved['width']} dimensions, pictures of "
        f"{moved['size']} pixels, texts of {moved['context']} of {moved['vocabulary']:,} tokens\nin {moved['folder']}"
    )
