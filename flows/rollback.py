"""`diptych rollback`: serve again what was served before, from the files that were kept for it, and then tell the registry."""

from pathlib import Path

from components.contracts.errors import DiptychError
from components.serving.timeline import Timeline
from components.stages.lock import hold
from components.stages.place import private
from flows.deploy import go_back
from flows.reindex import way_back
from flows.rollout import LOCK, _version, say_went_back


def rollback(root: Path, because: str = "") -> str:
    """Return one sentence: what is served now, and in place of what. Asked twice it goes there and back.

    The endpoint comes first, since MLflow takes seconds to open, or may not answer at all; the registry is told then, or by the next
    deploy before it looks at the alias.

    Args:
        because: a person's reason, which is kept with both versions.

    Raises ConfigError where there is nothing to go back to; what serves goes on then.
    """
    with way_back(root), hold(private(root, "locks") / LOCK, f"the endpoint of {root}", wait_s=10.0):
        why = because.strip() or "somebody asked for it"
        now, before = go_back(root)
        timeline = Timeline(label=now.label, before=before.label if before else "")
        timeline.ended(root, "rolled back", why)
        known = _tell(root, timeline)
    place = f", in place of {before.label}" if before else ""
    return f"{now.label} is served again{place}{'' if known else '; the registry does not know yet, and is told by the next deploy'}."


def _tell(root: Path, timeline: Timeline) -> bool:
    from components.registry.store import open_store

    try:
        store = open_store(root)
        version = _version(store, timeline.label, timeline.label.partition("@")[0])
        if version is not None:
            say_went_back(store, version, timeline)
    except (DiptychError, OSError):
        return False
    timeline.recorded = True
    timeline.write(root)
    return True
