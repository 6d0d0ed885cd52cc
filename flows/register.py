"""Give a package its name in the registry, and decide whether it is the one to serve."""

from components.registry.promotion import Verdict
from components.registry.versions import ModelVersion
from components.registry.versions import register as register_package
from flows import promote as promoting
from flows.audience import AUDIENCE, step
from flows.workspace import Workspace


def register(workspace: Workspace) -> ModelVersion:
    """Return the version of the workspace's package, with alias challenger until a verdict; by digest, so done once."""
    with step("register") as how:
        version = register_package(workspace.package, workspace.root)
        how.append(version.label)
        return version


def promote(workspace: Workspace, version: ModelVersion) -> Verdict:
    """Return who is champion, and say so."""
    with step("promote") as how:
        verdict = promoting.promote(workspace.root, version)
        how.append(f"champion is {verdict.champion.label}" if verdict.champion else "there is no champion")
        if verdict.champion is None or verdict.champion.digest != version.digest:
            AUDIENCE.get().told(verdict.sentence)
        return verdict
