"""The forms that Prefect's page makes of the flows' parameters: each is described, has a type, and its limits hold."""

from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prefect.exceptions import ParameterTypeError

from components.recipes.names import check_names
from flows.graph import stages_of
from flows.judged import promote, prove
from flows.monitor import monitor
from flows.pipeline import Stage, stage

REPOSITORY = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]


def flow_of(deployment):
    path, _, name = deployment["entrypoint"].partition(":")
    return getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)


@pytest.mark.parametrize(
    "deployment", DEPLOYMENTS, ids=lambda one: f"{one['entrypoint'].rpartition(':')[2]}/{one['name']}"
)
def test_each_parameter_has_a_type_and_a_description(deployment):
    fields = flow_of(deployment).parameters.model_dump()["properties"]
    assert set(deployment.get("parameters", {})) <= set(fields)
    for name, field in fields.items():
        assert "type" in field or "anyOf" in field, name
        assert len(field.get("description", "")) > 10, name
    assert deployment["tags"][0] == "diptych"
    alone = {"limit": 1, "collision_strategy": "CANCEL_NEW"} if "schedules" in deployment else 1
    assert deployment["concurrency_limit"] == alone, (
        "what a clock starts, it will start again; who asks may ask for something else"
    )
    assert deployment["work_pool"]["name"] in ("cpu", "gpu")
    assert deployment.get("parameters", {}).get("recipe", "clip") in [*check_names(REPOSITORY), "clip_refine"]


@pytest.mark.parametrize(("flow", "wrong"), [
    (promote, {"version": "clip"}), (prove, {"recipe": "clip", "seeds": 1}), (monitor, {"since_h": -1}),
    (stage, {"stage": "count", "recipe": "clip"}),
])  # fmt: skip
def test_what_is_out_of_bounds_is_refused_before_anything_runs(flow, wrong):
    with pytest.raises(ParameterTypeError):
        flow.validate_parameters(wrong)


def test_a_single_stage_is_one_of_dvc_yaml_on_either_pool():
    assert get_args(Stage) == tuple(stages_of(REPOSITORY))
    single = [one for one in DEPLOYMENTS if one["entrypoint"].endswith(":stage")]
    assert {one["work_pool"]["name"] for one in single} == {"cpu", "gpu"}
    assert stage.parameters.model_dump()["properties"]["stage"]["enum"] == list(get_args(Stage))
