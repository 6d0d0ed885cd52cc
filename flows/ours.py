"""Which registered models are a workspace's own: on a registry that others use too, their champions are nobody's business here."""

from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.recipes.names import check_names
from components.serving.endpoint import read_endpoint


def own_models(root: Path) -> tuple[str, ...]:
    """Return the names: the recipes of params.yaml, what was packaged here, and what is served here.

    ConfigError for a params.yaml that makes no sense.
    """
    packaged = sorted(path.parent.name for path in root.glob("runs/*/package"))
    return tuple(dict.fromkeys([*check_names(root), *packaged, *_served(root)]))


def _served(root: Path) -> tuple[str, ...]:
    try:
        served = read_endpoint(root)
    except StaleArtifact:
        return ()
    return () if served is None else (served.label.partition("@")[0],)
