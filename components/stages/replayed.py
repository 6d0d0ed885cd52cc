"""What a tuned model learnt from again of what its start learnt from."""

from pathlib import Path

import pyarrow as pa

from components.contracts.model_files import REPLAYED
from components.data.manifest import read_manifest


def replayed_of(tuned: Path) -> pa.Table | None:
    """Return the rows of a manifest that the folder of a tuned model has of it; None where nothing was."""
    path = tuned / REPLAYED
    return read_manifest(path) if path.exists() else None
