"""The main job: everything from pictures to a served model, or the sentence that nothing is to be done."""

import json
from contextlib import nullcontext
from pathlib import Path

from components.contracts.errors import CapabilityError, ConfigError
from components.registry.store import fingerprint
from flows.checking import checking
from flows.estimating.around import Beside
from flows.shipped import Shipped
from flows.workspace import Workspace


def run(root: Path, recipe: str, checked: bool = False) -> tuple[Shipped | None, bool]:
    """Bring everything up to date; return what is shipped, and whether anything had to be done.

    Before any stage works, params.yaml and recipes are checked, unless they were (`checked`); Prefect starts meanwhile.
    When nothing is stale, the registry is as we left it and the server answers with the champion, neither Prefect nor
    MLflow is started.
    """
    from flows.view import shown

    beside = Beside()
    with Workspace.here(recipe, root) as workspace:
        work = workspace.work()
        stale = workspace.stale() or any(its.stale(stage) for its, stage in work if its is not workspace)
        shipped = None if stale else unchanged(workspace)
        stages = [its.address(stage) for its, stage in work]
    if shipped is not None:
        if shipped.unserved is None:
            from flows.serving.gateway import ensure_gateway

            ensure_gateway(root)
        return shipped, False
    from flows.orchestrator import prefect_server

    needed = nullcontext(lambda: None) if checked or not stale else checking(root)
    with (
        needed as verdict,
        shown(["prefect", *stages, "register", "promote", "deploy"]),
        prefect_server(root),
    ):
        verdict()
        from flows.pipeline import pipeline

        outcomes = pipeline(recipe)
    beside.keep(root, [outcome.seconds for outcome in outcomes.values() if outcome.did != "cached"])
    return Shipped.read(root, recipe), True


def unchanged(workspace: Workspace) -> Shipped | None:
    """Return what the last run shipped of stages that are up to date, if all of it still stands; else None."""
    shipped, store = Shipped.read(workspace.root, workspace.recipe), fingerprint(workspace.root)
    if shipped is None or store is None or shipped.store != store:
        return None
    if json.loads((workspace.package / "manifest.json").read_text())["digest"] != shipped.digest:
        return None
    return shipped if _serves(workspace.root, shipped) else None


def _serves(root: Path, shipped: Shipped) -> bool:
    """Return whether the champion answers, or still cannot be served on this machine."""
    from components.serving.environment import ServingEnvironment
    from components.serving.triton import status

    if shipped.unserved is not None:
        try:
            ServingEnvironment.find(root)
        except CapabilityError:
            return True
        return False
    now = status(root)
    return (
        now.state == "serving" and now.endpoint is not None and now.endpoint.package_digest == shipped.champion_digest
    )


def find_root(start: Path) -> Path:
    """Return the nearest folder upwards that has a dvc.yaml; ConfigError when there is none."""
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").exists():
            return folder
    raise ConfigError(f"neither {start} nor a folder above it has a dvc.yaml. Go to a checkout of diptych.")
