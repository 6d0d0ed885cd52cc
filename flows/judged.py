"""The flows `promote` and `prove`, for whoever starts them on Prefect's page, or a schedule."""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from components.contracts.errors import GateClosed
from components.registry.promotion import promote_by_hand
from flows.promote import promote_label
from flows.proving.prove import lines
from flows.proving.prove import prove as put_to_the_test
from flows.publish import publish_ruling, publish_verdict
from flows.run import find_root


@flow(name="promote")
def promote(version: Annotated[str, Field(pattern=r"^[\w.-]+@\w+$")], because: str = "") -> str:
    """Judge a version against the champion, and give it the alias where it deserves it, or a person says so.

    Args:
        version: such as clip@3.
        because: the reason why it is to be the champion whatever was measured, which is kept with it; empty where it is to be judged.

    Raises GateClosed, with the sentence, where it stays challenger.
    """
    root = find_root(Path.cwd())
    if because:
        sentence = promote_by_hand(root, version, because)
        publish_ruling(version, sentence)
        publish_verdict(version, sentence)
        return sentence
    verdict = promote_label(root, version)
    publish_ruling(verdict.version.label, verdict.sentence, verdict.page)
    if verdict.champion is None or verdict.champion.version != verdict.version.version:
        raise GateClosed(verdict.sentence)  # which is told by how the run ends
    if verdict.ruling is not None:
        publish_verdict(verdict.version.label, verdict.sentence)
    return verdict.sentence


@flow(name="prove")
def prove(recipe: str = "clip_refine", seeds: Annotated[int | None, Field(ge=2, le=50)] = None) -> dict[str, Any]:
    """Put a recipe's claim to the test, seed by seed, in checkouts of its own; return what `diptych prove --json` prints.

    Args:
        recipe: whose card has a proof.
        seeds: how many, from 0 on; those of the card unless given.
    """
    found = put_to_the_test(find_root(Path.cwd()), recipe, seeds=None if seeds is None else range(seeds))
    create_markdown_artifact(
        "\n".join(f"- {line}" for line in lines(found)), key="proof", description=f"{recipe}: {found['outcome']}"
    )
    return found
