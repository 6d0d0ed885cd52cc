"""Put the champion behind the server, wherever its files are, and write down what was shipped."""

from components.contracts.errors import CapabilityError
from components.registry.champion import files_of
from components.registry.promotion import Verdict
from components.registry.store import fingerprint
from flows.audience import step
from flows.serving.gateway import ensure_gateway
from flows.serving.rollout import bring
from flows.shipped import Shipped
from flows.workspace import Workspace


def serve(workspace: Workspace, verdict: Verdict) -> Shipped:
    """Serve the champion, or whichever version got the alias meanwhile. Where this machine cannot run the server, `unserved` says why, and all else stands.

    GateClosed when there is no champion, since no version kept the rules of params.yaml.
    """
    champion, root = verdict.served, workspace.root
    with step("deploy") as how:
        unserved = None
        try:
            champion = bring(root, champion)
            ensure_gateway(root)
            how.append(f"serving {champion.label}")
        except CapabilityError as err:
            unserved = str(err)
            how.append("not served here")
        folder = files_of(champion, root)
    shipped = Shipped(
        digest=verdict.version.digest, version=verdict.version.label, champion=champion.label,
        champion_digest=champion.digest, champion_folder=str(folder), verdict=verdict.sentence,
        store=fingerprint(root), unserved=unserved,
    )  # fmt: skip
    shipped.write(root, workspace.recipe)
    return shipped
