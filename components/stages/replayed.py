"""What a tuned model says of pictures of its start that it was tuned with."""

import json
from pathlib import Path
from typing import Any

from components.contracts.model_files import ADAPTED


def replayed_of(finetuned: Path) -> dict[str, Any]:
    """Return `licences` and `origin` of these pictures; nothing where none took part.

    Args:
        finetuned: the folder of the model.
    """
    path = finetuned / ADAPTED
    said = json.loads(path.read_text(encoding="utf-8")).get("recalled", {}) if path.exists() else {}
    return {name: said[name] for name in ("licences", "origin") if name in said}
