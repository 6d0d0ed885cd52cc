"""Which registered models are a workspace's own, and which version of each is asked for.

On a registry that others use too, the champions of their models are nobody's business here.
"""

from collections.abc import Iterable
from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.recipes.names import check_names
from components.registry.store import Store, store_errors
from components.registry.turns import CHAMPION
from components.serving.endpoint import Endpoint, read_endpoint


def own_models(root: Path) -> tuple[str, ...]:
    """Return the names: the recipes of params.yaml, what was packaged here, and what is served here.

    ConfigError for a params.yaml that makes no sense.
    """
    packaged = sorted(path.parent.name for path in root.glob("runs/*/package"))
    served = _handed_over(root)
    last = () if served is None else (served.label.partition("@")[0],)
    return tuple(dict.fromkeys([*check_names(root), *packaged, *last]))


def champions(store: Store, models: Iterable[str]) -> dict[str, str | None]:
    """Return the version that has the alias `champion` now, by model; None where none has."""
    found: dict[str, str | None] = {}
    with store_errors(store.uri):
        for model in models:
            registered = store.client.search_registered_models(f"name = '{model}'")
            version = registered[0].aliases.get(CHAMPION) if registered else None
            found[model] = None if version is None else str(version)
    return found


def is_behind(root: Path, model: str, version: str | None) -> bool:
    """Return whether another version of this model is served. What nobody serves was stopped by somebody, and stays so."""
    served = _handed_over(root)
    if served is None or version is None or not served.process.is_alive():
        return False
    return served.label.startswith(f"{model}@") and served.label != f"{model}@{version}"


def _handed_over(root: Path) -> Endpoint | None:
    try:
        return read_endpoint(root)
    except StaleArtifact:
        return None
