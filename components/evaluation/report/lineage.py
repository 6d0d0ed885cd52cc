"""Where a model comes from: digests, what lies beside the page, and the commands that lead back.

The commit, the digest of the training's code and numbers, and the checksums of dvc.lock stand in manifest.json, which the digest of a package leaves
out: the same model packaged from another commit is the same package, and would not be if this page named them.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.evaluation.report.layout import said, table

BESIDE = {
    "manifest.json": "the sha256 of every file, recipe, scale and seed, the git commit, the digest of the training, and the checksums that dvc.lock had of every stage before",
    "model_card.md": "what to know before using it, as Hugging Face has model cards",
    "dataset_card.md": "what came in, what was set aside and why",
    "metrics.json": "every number with its interval, chance, baseline, and the digests of its data and weights",
    "model.json": "the classes and numbers that the weights are of",
}
"""Files of a package that lead on -> what they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a model comes from.

    Args:
        digests: what -> its digest, whole.
        beside: names of the files that lie beside the page.
        commands: what one does -> the command, in a workspace.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    beside: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)


def lineage(found: Lineage) -> str:
    """Return digests, links and commands."""
    rows = [[html.escape(what), f"<code>{html.escape(digest)}</code>"] for what, digest in found.digests.items()]
    links = "".join(
        f"<li><a href='{name}'>{name}</a>: {means}</li>" for name, means in BESIDE.items() if name in found.beside
    )
    commands = "".join(
        f"<li>{html.escape(what)}: <code>{html.escape(command)}</code></li>" for what, command in found.commands.items()
    )
    return (
        (table("Digests", ("what", "digest"), rows) if rows else "")
        + (said("Beside this page, in the same folder:") + f"<ul>{links}</ul>" if links else "")
        + (said("In the workspace:") + f"<ul>{commands}</ul>" if commands else "")
    )
