"""From pictures to a served model: the stages of dvc.yaml, one task each, then the registry and the server.

DVC decides whether a stage has work to do; Prefect decides when, where and how often.
Tasks hand each other names, never tensors, so any of them can be retried on another machine.
"""

from typing import Any, Literal

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import deployment

from components.contracts.errors import ConfigError, is_transient
from flows import register as registering
from flows.forms import Name
from flows.progress import progress
from flows.publish import publish, publish_ruling, publish_verdict, publish_version, publish_work
from flows.serving import serve as serving
from flows.workspace import Outcome, Workspace

WAITS_S = 12 * 3600.0
Stage = Literal["ingest", "validate", "curate", "pretrain", "finetune", "evaluate", "package"]
"""Those of dvc.yaml, as a form offers them."""


def worth_another_try(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Return whether a task failed by a fault of the world; a mistake is never tried twice."""
    return isinstance(state.data, BaseException) and is_transient(state.data)


# No caching by Prefect: whether there is work is for DVC, the registry and the server to say.
_AGAIN: dict[str, Any] = {
    "retries": 2, "retry_delay_seconds": [5, 60], "retry_condition_fn": worth_another_try, "cache_policy": NO_CACHE,
}  # fmt: skip


@task(task_run_name="{stage}@{recipe}", **_AGAIN)
def run_stage(workspace: Workspace, stage: str, recipe: str) -> Outcome:
    """Bring one stage up to date; "cached" when its code, numbers and inputs are unchanged."""
    with progress(f"{stage}-{recipe}"):
        return workspace.repro(stage)


register = task(name="register", **_AGAIN)(registering.register)
promote = task(name="promote", **_AGAIN)(registering.promote)
deploy = task(name="deploy", **_AGAIN)(serving.serve)


@flow(name="pipeline")
def pipeline(recipe: Name = "clip", until: Name | None = None) -> dict[str, Outcome]:
    """Return what each stage did: ran, cached or restored; then register and serve, unless `until` names a stage.

    What the recipe begins from comes first; a stage of another recipe is called by its address.

    Args:
        recipe: one of params.yaml's, such as clip.
        until: the last stage to bring up to date, such as validate, after which nothing is registered or served; all of it unless given.

    Raises GateClosed (from validate), and trains nothing, when more pairs are broken than params.yaml allows; Busy where another run has the
    workspace, for a run of a deployment after 12 h of waiting for it.
    """
    done: list[tuple[Workspace, Outcome]] = []
    # One writer per workspace; the lock dies with us. Nobody looks at what a schedule or an event starts, so it waits for who was there before.
    with Workspace.here(recipe, wait_s=WAITS_S if deployment.id else 0.0) as workspace:
        try:
            for its, stage in workspace.work(until):
                done.append((its, run_stage(its, stage, its.recipe)))
                publish(stage, its)
        finally:
            publish_work(workspace, done)
        if until is None:
            workspace.bring_records()
            version = register(workspace)  # by digest: asked twice, done once
            publish_version(workspace.root, version.label, workspace.package)
            verdict = promote(workspace, version)
            for one in verdict.decided:  # none where nobody judged anew
                publish_ruling(one.version.label, one.sentence, one.page)
                publish_verdict(one.version.label, one.sentence)
            deploy(workspace, verdict)  # the champion, which need not be the model of this run
    return {one.stage if its.recipe == recipe else its.address(one.stage): one for its, one in done}


@flow(name="stage")
def stage(stage: Stage = "evaluate", recipe: Name = "clip") -> Outcome:
    """Bring one stage up to date, where what it is made from is; `pipeline` with `until` does what comes before too.

    Args:
        stage: the one to bring up to date.
        recipe: one of params.yaml's, such as clip; for stages that all recipes share, any.

    Raises ConfigError, and runs nothing, where something before it has work to do; Busy as `pipeline`.
    """
    with Workspace.here(recipe, wait_s=WAITS_S if deployment.id else 0.0) as workspace:
        *before, (its, last) = workspace.work(stage)
        if waiting := [one.address(name) for one, name in before if not one.is_whole(name)]:
            raise ConfigError(
                f"{', '.join(waiting)} must come before {its.address(last)}, and {'have' if waiting[1:] else 'has'} work to do. Start the "
                f"deployment pipeline/manual with until: {stage}"
            )
        outcome = run_stage(its, last, its.recipe)
        publish(last, its)
        publish_work(workspace, [(its, outcome)])
        return outcome
