"""Stage validate: what is broken goes to quarantine, what is clean goes on, test splits become evaluation pools."""

import sys
from pathlib import Path

from components.data.processes import cores
from components.data.seeing import MOST
from components.recipes.params import Gates, load_params
from components.stages.runtime import run_stage
from components.stages.stage import Stage
from components.validation.fit import Scoring
from components.validation.takedown import read_takedown
from components.validation.validate import validate


def scoring_of(gates: Gates, root: Path) -> Scoring | None:
    """Return the model that `gates.scored_by` names, with its bar; None where it names none."""
    if not gates.scored_by:
        return None
    from components.serving.scorer import open_scorer  # only who asks for a model loads what runs one

    return Scoring(scorer=open_scorer(gates.scored_by, root, root), bar=gates.misfit)


def body(stage: Stage) -> None:
    """Write data/validated and data/evaluation; GateClosed when too much is broken."""
    params = load_params(stage.root)
    scoring = scoring_of(params.gates, stage.root)
    with stage.output("data/validated", "data/evaluation") as (validated, evaluation):
        validate(
            stage.root / "data/raw", validated, evaluation, max_broken=params.gates.max_broken, seed=params.seed,
            failed_report=stage.root / ".diptych" / "validate-report.html", progress=stage.progress,
            policy=params.gates.policy, takedown=read_takedown(stage.root / "data/takedown.txt"),
            known_bad=read_takedown(stage.root / "data/known-bad.txt"),
            processes=min(cores(), MOST), scoring=scoring,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_stage("validate", body))
