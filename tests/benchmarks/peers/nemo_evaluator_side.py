"""`python nemo_evaluator_side.py SCENE [--clusters]`: in how many runs NeMo Evaluator's gate says go, a line of JSON.

What it computes of paired values is asked directly, without a file for every drawn run. It knows groups by the category of a question; with
--clusters each picture is one.
"""

import json
import sys
from importlib.metadata import version

from gate_draws import SCENES  # beside this file
from nemo_evaluator.config.gate_policy import GatePolicy
from nemo_evaluator.engine.gate import BenchmarkGateResult, _aggregate_verdict, _apply_thresholds, _paired_delta_ci


def main() -> None:
    """Draw, ask, count."""
    scene, go = SCENES[sys.argv[1]], 0
    policy = GatePolicy.model_validate({"defaults": {"max_drop": scene.margin}}).resolve("guard")
    names = [str(place // scene.captions) for place in range(scene.pictures * scene.captions)]
    clusters = names if "--clusters" in sys.argv else None
    for run in range(scene.runs):
        ours, theirs = scene.drawn(run)
        results = []
        for mine, champion in zip(ours[1:], theirs[1:], strict=True):
            deltas = (mine.astype(float) - champion).tolist()
            low, high = _paired_delta_ci(deltas, clusters=clusters)
            result = BenchmarkGateResult(
                tier="critical", baseline_score=float(champion.mean()), candidate_score=float(mine.mean()),
                delta=sum(deltas) / len(deltas), delta_ci_lower=low, delta_ci_upper=high,
            )  # fmt: skip
            _apply_thresholds(result, policy, allow_point_estimate=False)
            results.append(result)
        go += _aggregate_verdict(results)[0] == "GO"
    print(json.dumps({"version": version("nemo-evaluator"), "go": go, "runs": scene.runs}))


if __name__ == "__main__":
    main()
