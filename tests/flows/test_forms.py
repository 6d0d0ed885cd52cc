"""The forms that Prefect's page makes of the flows' parameters: each is described, has a type and limits, and these hold."""

import re
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prefect.exceptions import ParameterTypeError

from components.recipes.names import check_names
from flows.deliver import deploy, rollback
from flows.graph import stages_of
from flows.judged import promote, prove, sweep
from flows.monitor import monitor
from flows.pipeline import Stage, pipeline, stage

REPOSITORY = Path(__file__).parents[2]
SAID = (REPOSITORY / "prefect.yaml").read_text()
DEPLOYMENTS = yaml.safe_load(SAID)["deployments"]


LIMITS = {
    "string": ({"enum"}, {"pattern"}, {"maxLength"}), "integer": ({"minimum", "maximum"},), "number": ({"minimum", "maximum"}, {"exclusiveMinimum", "maximum"}),
    "array": ({"items", "minItems", "maxItems"},), "boolean": (set(),), "null": (set(),),
}  # fmt: skip
"""Type -> what of a schema says how far it goes, any of which will do."""


def without_limit(where, schema):
    """Yield each part of a parameter's schema that a form would take anything for."""
    if "anyOf" in schema:
        for at, one in enumerate(schema["anyOf"]):
            yield from without_limit(f"{where}, {at}", one)
        return
    if not any(some <= schema.keys() for some in LIMITS.get(schema.get("type"), ())):
        yield f"{where}: {schema}"
    if "items" in schema:
        yield from without_limit(f"{where}, each", schema["items"])


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
        assert list(without_limit(name, field)) == []
    assert deployment["tags"][0] == "diptych"
    alone = {"limit": 1, "collision_strategy": "CANCEL_NEW"} if "schedules" in deployment else 1
    assert deployment["concurrency_limit"] == alone, (
        "what a clock starts, it will start again; who asks may ask for something else"
    )
    assert deployment["work_pool"]["name"] in ("cpu", "gpu")
    given = deployment.get("parameters", {})
    assert given.get("recipe", "clip") in [*check_names(REPOSITORY), "clip_refine"]
    assert all((REPOSITORY / f"components/recipes/{name}.yaml").exists() for name in given.get("recipes", ()))
    missing = {"version"} if deployment["entrypoint"].endswith(":promote") else set()  # which only a person can say
    assert set(flow_of(deployment).parameters.required) - set(given) == missing
    flow_of(deployment).validate_parameters({"version": "clip@1"} | given if missing else given)


@pytest.mark.parametrize(("flow", "wrong"), [
    (promote, {"version": "clip"}), (prove, {"recipe": "clip", "seeds": 1}), (monitor, {"since_h": -1}),
    (stage, {"stage": "count", "recipe": "clip"}), (pipeline, {"recipe": "../clip"}), (pipeline, {"recipe": ""}), (pipeline, {"until": "pretrain@clip"}),
    (stage, {"recipe": "a b"}), (deploy, {"model": "models:/clip"}), (deploy, {"model": ""}), (rollback, {"leave": "clip"}),
    (rollback, {"because": "x" * 5001}), (promote, {"version": "clip@1", "because": "x" * 5001}), (prove, {"recipe": "clip;ls"}),
    (sweep, {"recipes": []}), (sweep, {"recipes": ["clip", "clip refine"]}), (sweep, {"recipes": ["clip"], "seeds": 1}),
    (sweep, {"recipes": ["clip"], "steps": 0}), (sweep, {"recipes": ["clip"], "price_per_hour": -1}), (sweep, {"recipes": ["clip"], "at_once": 0}),
])  # fmt: skip
def test_what_is_out_of_bounds_is_refused_before_anything_runs(flow, wrong):
    with pytest.raises(ParameterTypeError):
        flow.validate_parameters(wrong)


@pytest.mark.parametrize(("flow", "right"), [
    (pipeline, {"recipe": "my-own_paper.2"}), (pipeline, {"until": None}), (pipeline, {"until": "count"}), (deploy, {"model": "a model of ours"}),
    (rollback, {}), (rollback, {"because": "", "leave": ""}), (rollback, {"leave": "a model of ours@4"}), (promote, {"version": "clip@champion"}),
    (prove, {}), (sweep, {"recipes": ["clip", "clip+clip_refine:40"]}), (sweep, {"recipes": ["clip"], "data": "scenes", "scale": "debug", "steps": 4}),
])  # fmt: skip
def test_what_a_flow_can_do_a_form_takes(flow, right):
    assert right.items() <= flow.validate_parameters(right).items()


def test_the_walk_finds_what_has_no_limit():
    assert list(without_limit("a", {"type": "string"})) == ["a: {'type': 'string'}"]
    half = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}
    assert len(list(without_limit("a", half))) == 1
    assert len(list(without_limit("a", {"type": "array", "items": {"type": "string"}}))) == 2
    assert len(list(without_limit("a", {"$ref": "#/definitions/Model"}))) == 1, "what it cannot look into is no limit"


def test_a_line_more_has_another_recipe_every_night():
    """The line that prefect.yaml says, taken in: the same as `nightly` but for its name, its recipe and its hour, which is another."""
    (line,) = re.findall(r"^  # - (\{<<: \*nightly, .*\})$", SAID, re.MULTILINE)
    said = yaml.safe_load(SAID.replace(f"  # - {line}", f"  - {line}"))["deployments"]
    assert len(said) == len(DEPLOYMENTS) + 1
    nightly, other = (next(one for one in said if one["name"] == name) for name in ("nightly", "nightly-siglip"))
    assert {key for key in {**nightly, **other} if nightly.get(key) != other.get(key)} == {
        "name",
        "parameters",
        "schedules",
    }
    assert other["parameters"] == {"recipe": "siglip"}
    (its,), (theirs,) = other["schedules"], nightly["schedules"]
    assert its | {"cron": theirs["cron"]} == theirs
    assert its["cron"] != theirs["cron"]
    assert line in (REPOSITORY / "docs/stack.md").read_text(), "where people look for it"


def test_a_single_stage_is_one_of_dvc_yaml_on_either_pool():
    assert get_args(Stage) == tuple(stages_of(REPOSITORY))
    single = [one for one in DEPLOYMENTS if one["entrypoint"].endswith(":stage")]
    assert {one["work_pool"]["name"] for one in single} == {"cpu", "gpu"}
    assert stage.parameters.model_dump()["properties"]["stage"]["enum"] == list(get_args(Stage))
