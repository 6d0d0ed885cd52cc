"""The flows `promote`, `prove` and `sweep`, for whoever starts them on Prefect's page, or a schedule."""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from components.contracts.errors import GateClosed
from components.registry.promotion import promote_by_hand
from flows.forms import Compared, Name, Reason, Version
from flows.promote import promote_label
from flows.proving.prove import prove as put_to_the_test
from flows.proving.published import publish_proof, publish_sweep
from flows.proving.sweep import sweep as side_by_side
from flows.publish import publish_ruling, publish_verdict, publish_version
from flows.run import find_root


@flow(name="promote")
def promote(version: Version, because: Reason = "") -> str:
    """Judge a version against the champion, and give it the alias where it deserves it, or a person says so.

    Args:
        version: such as clip@3.
        because: the reason why it is to be the champion whatever was measured, which is kept with it; empty where it is to be judged.

    Raises GateClosed, with the sentence, where it stays challenger.
    """
    root = find_root(Path.cwd())
    publish_version(root, version)
    if because:
        sentence = promote_by_hand(root, version, because)
        publish_ruling(version, sentence)
        publish_verdict(version, sentence)
        return sentence
    verdict = promote_label(root, version)
    for one in verdict.before:  # versions that had the alias by hand
        publish_ruling(one.version.label, one.sentence, one.page)
        publish_verdict(one.version.label, one.sentence)
    publish_ruling(verdict.version.label, verdict.sentence, verdict.page)
    if verdict.champion is None or verdict.champion.version != verdict.version.version:
        raise GateClosed(verdict.sentence)  # which is told by how the run ends
    if verdict.ruling is not None:
        publish_verdict(verdict.version.label, verdict.sentence)
    return verdict.sentence


@flow(name="prove")
def prove(recipe: Name = "clip_refine", seeds: Annotated[int | None, Field(ge=2, le=50)] = None) -> dict[str, Any]:
    """Put a recipe's claim to the test, seed by seed, in checkouts of its own; return what `diptych prove --json` prints.

    Args:
        recipe: whose card has a proof.
        seeds: how many, from 0 on; those of the card unless given.
    """
    root = find_root(Path.cwd())
    found = put_to_the_test(root, recipe, seeds=None if seeds is None else range(seeds))
    publish_proof(found, root)
    return found


@flow(name="sweep")
def sweep(
    recipes: Annotated[list[Compared], Field(min_length=1, max_length=50)],
    seeds: Annotated[int, Field(ge=2, le=50)] = 3,
    scale: Name = "laptop",
    data: Name | None = None,
    steps: Annotated[int | None, Field(ge=1, le=10_000_000)] = None,
    price_per_hour: Annotated[float | None, Field(ge=0, le=1e6)] = None,
    at_once: Annotated[int | None, Field(ge=1, le=1024)] = None,
) -> dict[str, Any]:
    """Train recipes side by side, each in checkouts of its own and for as much computing as the first; return what `diptych sweep --json` prints.

    Args:
        recipes: such as clip, or clip+clip_refine:40 for clip, and from its model 40 steps of clip_refine; the first says how much computing.
        seeds: how many, from 0 on.
        scale: how big; one of components/recipes/scales, such as debug or laptop.
        data: name of a source, such as scenes; the English emoji unless given.
        steps: of the first recipe; the scale's unless given.
        price_per_hour: of a core, in any currency; no cost is said unless given.
        at_once: how many are trained side by side; one a core unless given, or one where there is a GPU.
    """
    root = find_root(Path.cwd())
    found = side_by_side(
        root, recipes, seeds=seeds, scale=scale, source=None if data is None else {"name": data}, steps=steps,
        price_per_hour=price_per_hour, at_once=at_once,
    )  # fmt: skip
    publish_sweep(found, root)
    return found
