"""`diptych rollback`: serve again what was served before, from the files that were kept for it, and then tell the registry."""

from pathlib import Path

import psutil

from components.contracts.errors import DiptychError
from components.serving.endpoint import Endpoint
from components.serving.timeline import Timeline, read_timeline
from components.stages.lock import hold
from components.stages.place import private
from flows.serving.deploy import go_back
from flows.serving.reindex import way_back
from flows.serving.rollout import LOCK, catch_up, served_label

PATIENCE_S = 30.0  # that a deploy may take to stop: starting a server is waited for


def rollback(root: Path, because: str = "", leave: str = "") -> str:
    """Return one sentence: what is served now, and in place of what. Asked twice it goes there and back.

    A deploy that is under way is stopped, and is what is gone back from: what serves goes on, and gets the alias back. Else the endpoint comes
    first, since MLflow takes seconds to open, or may not answer at all; the registry is told then, or by the next deploy before it looks
    at the alias.

    Args:
        because: a person's reason, which is kept with both versions.
        leave: the version that is to be left, such as clip@3; where another is served nothing is done. Whatever is served, unless given.

    Raises ConfigError where there is nothing to go back to; what serves goes on then.
    """
    why = because.strip() or "somebody asked for it"
    trying = _under_way(root)
    with way_back(root), hold(private(root, "locks") / LOCK, f"the endpoint of {root}", wait_s=PATIENCE_S):
        last = read_timeline(root)
        if trying is not None and last is not None and (last.began, last.outcome) == (trying.began, "failed"):
            last.own_fault, last.recorded, last.why = True, False, f"it was taken back while it was deployed: {why}"
            last.write(root)
            return f"{last.label} is not deployed; {last.before or 'nothing'} goes on serving{_told(root)}."
        serves = served_label(root)
        if leave and serves != leave:
            return f"{serves or 'nothing'} is served, and not {leave}, so nothing was done."
        timeline = Timeline(label="", before=serves, back=True, why=why)

        def handed(now: Endpoint, before: Endpoint | None) -> None:
            timeline.label, timeline.before = now.label, before.label if before else ""
            timeline.ended(root, "rolled back", why)

        now, before = go_back(root, handed)
        place = f", in place of {before.label}" if before else ""
        return f"{now.label} is served again{place}{_told(root)}."


def _under_way(root: Path) -> Timeline | None:
    """Return the deploy that somebody does now; None where nobody does one."""
    last = read_timeline(root)
    return last if last is not None and last.outcome == "under way" and psutil.pid_exists(last.pid) else None


def _told(root: Path) -> str:
    """Tell the registry; return what to add where it does not know yet."""
    from components.registry.store import open_store

    try:
        catch_up(root, open_store(root))
    except (DiptychError, OSError):
        return "; the registry does not know yet, and is told by the next deploy"
    return ""
