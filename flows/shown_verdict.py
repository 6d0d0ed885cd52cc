"""What was decided about a version, on Prefect's page, where it was asked for outside of a flow: by a shell, or by whoever watches the registry."""

import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import DiptychError
from components.registry.promotion import Verdict
from flows.monitored import has_server

if TYPE_CHECKING:
    from flows.serving.rollout import Rolled


def show(root: Path, label: str, sentence: str, page: str = "", within_s: float = 0.0) -> None:
    """Have Prefect show what was decided, and tell of it, as a run does; nothing where there is no server that outlives us.

    A server that is away takes nothing back: a line says what is not shown.

    Args:
        page: the ruling in Markdown; empty where a person decided, and the sentence is all.
        within_s: seconds that the server may be away, where nobody is at a screen, who sees the line.
    """
    if not has_server(root):
        return
    from flows.orchestrator import prefect_server

    try:
        with redirect_stdout(sys.stderr), prefect_server(root):  # what is printed is the answer
            from flows.publish import publish_ruling, publish_verdict

            publish_ruling(label, sentence, page)
            publish_verdict(label, sentence, within_s)
    except (DiptychError, OSError) as err:
        print(f"not shown on Prefect's page: {err}", file=sys.stderr, flush=True)


def show_verdict(root: Path, verdict: Verdict, within_s: float = 0.0) -> None:
    """Show the verdict, and those of versions that somebody had set the alias to by hand before; `within_s` as of `show`."""
    for one in (*verdict.before, verdict):
        show(root, one.version.label, one.sentence, one.page, within_s)


def rolled_out(root: Path, model: str, within_s: float = 0.0) -> "Rolled":
    """Bring the endpoint to what the alias asks for, as `rollout` does, and show what was decided about it; `within_s` as of `show`."""
    from flows.serving.rollout import rollout

    return rollout(root, model, show=partial(show_verdict, root, within_s=within_s))


def watched_out(root: Path, model: str) -> "Rolled":
    """Do the same where nobody looks on: what was decided is told to a server that is away for a moment once it is back."""
    from flows.publish import TOLD_WITHIN_S

    return rolled_out(root, model, TOLD_WITHIN_S)
