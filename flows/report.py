"""Two versions of the registry side by side, as a page that needs nothing else."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import ConfigError
from components.registry.champion import files_of
from components.registry.evaluated import evaluation_of
from components.registry.store import Store, open_store
from components.registry.versions import by_label
from components.stages.place import private

if TYPE_CHECKING:
    from components.evaluation.outcomes import Evaluated

SHOWN = ("value", "low", "high", "unit", "better", "n", "chance", "baseline", "method")
"""What a table of metrics says of each."""


def report(root: Path, first: str, second: str, to: Path | None) -> Path:
    """Write how two versions, such as `clip@1` and `clip@2`, compare, and return where.

    Args:
        to: the file; .diptych/reports/<first>-<second>.html unless given.

    ConfigError when the registry lacks one of them, or both are the same.
    """
    from components.evaluation.side_by_side import page

    if first == second:
        raise ConfigError(
            f"{first} beside itself says nothing. Name another version; the registry's page lists them: diptych ui"
        )
    store = open_store(root)
    one, other = (measured(label, root, store) for label in (first, second))
    path = to or private(root, "reports") / f"{first}-{second}.html"
    path.write_text(page(one, other), encoding="utf-8")
    return path


def measured(label: str, root: Path, store: Store) -> "Evaluated":
    """Return the evaluation of a version; the numbers alone where its rows were not kept."""
    from components.evaluation.outcomes import Evaluated

    version = by_label(store, label)
    folder = evaluation_of(version, root, store)
    if folder is not None:
        return Evaluated.read(folder, label)
    metrics = json.loads((files_of(version, root, store) / "metrics.json").read_text(encoding="utf-8"))
    return Evaluated(label=label, metrics=metrics, rows={})
