"""Which deployments a workspace has: those of prefect.yaml, and a night of each other recipe of params.yaml."""

import json
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError
from flows.stack.deployments import OURS, deployments, digests
from flows.stack.place import Place
from flows.stack.prefect_set_up import DEPLOYED, to_deploy
from tests.flows.rolled import REPOSITORY

SAID = (REPOSITORY / "prefect.yaml").read_text()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "prefect.yaml").write_text(SAID)
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    return tmp_path


def recipes(root: Path, *names: str) -> None:
    said = yaml.safe_load((root / "params.yaml").read_text())
    said["recipes"] = {name: {"start": "data/untrained.txt"} for name in names}
    (root / "params.yaml").write_text(yaml.safe_dump(said, sort_keys=False))


def more(root: Path) -> dict[str, dict]:
    """What there is beyond prefect.yaml, which comes first and as it is."""
    listed = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    found = deployments(root)["deployments"]
    assert found[: len(listed)] == listed
    return {one["name"]: one for one in found[len(listed) :]}


def test_of_one_recipe_they_are_what_prefect_yaml_says(root):
    assert deployments(root) == yaml.safe_load(SAID)


def test_each_other_recipe_has_a_night_of_its_own_an_hour_later(root):
    recipes(root, "siglip", "clip", "filip")
    (nightly,) = [one for one in yaml.safe_load(SAID)["deployments"] if one["name"] == "nightly"]
    found = more(root)
    assert {name: one["schedules"][0]["cron"] for name, one in found.items()} == {
        "nightly-siglip": "0 3 * * *",
        "nightly-filip": "0 4 * * *",
    }
    siglip = found["nightly-siglip"]
    assert siglip["parameters"] == {"recipe": "siglip"}
    assert siglip["tags"] == [*nightly["tags"], OURS]
    assert {key for key in nightly if siglip[key] != nightly[key]} == {"name", "parameters", "tags", "schedules"}
    assert {key for key, its in nightly["schedules"][0].items() if siglip["schedules"][0][key] != its} == {"cron"}


@pytest.mark.parametrize(
    ("cron", "later"),
    [
        ("30 23 * * *", "30 0 * * *"),
        ("30 22 * * 1-5", "30 23 * * 1-5"),
        ("0 */6 * * *", "0 */6 * * *"),
        ("@daily", "@daily"),
        ("30 23 * * 1-5", "30 23 * * 1-5"),  # an hour later is no work day, on Fridays
    ],
)
def test_a_night_that_somebody_put_elsewhere_is_where_the_others_are_counted_from(root, cron, later):
    recipes(root, "clip", "siglip")
    (root / "prefect.yaml").write_text(SAID.replace("cron: 0 2 * * *", f'cron: "{cron}"'))
    assert more(root)["nightly-siglip"]["schedules"][0]["cron"] == later


def test_what_somebody_took_in_is_not_there_twice_and_without_nightly_there_is_none(root):
    recipes(root, "clip", "siglip")
    (root / "prefect.yaml").write_text(SAID.replace("  # - {<<: *nightly", "  - {<<: *nightly"))
    assert more(root) == {}
    (root / "prefect.yaml").write_text(SAID.replace("    name: nightly\n", "    name: night\n"))
    assert more(root) == {}


def test_params_that_cannot_be_read_change_nothing_that_the_server_knows(root):
    place = Place(root=root, data=root / "data", ports={}, passwords={})
    place.data.mkdir()
    recipes(root, "clip", "siglip")
    assert to_deploy(place) == deployments(root)
    (root / "params.yaml").write_text("recipes: [")
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        deployments(root)
    assert to_deploy(place) == yaml.safe_load(SAID), "of a server that knows none yet"
    (place.data / DEPLOYED).write_text(json.dumps({"flows/pipeline.py:pipeline/nightly": "what it knows"}))
    assert to_deploy(place) is None
    (root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    assert to_deploy(place) == deployments(root)
    (place.data / DEPLOYED).write_text(json.dumps(digests(deployments(root))))
    assert to_deploy(place) is None, "it knows them"
    for wrong in ("deployments: [", "deployments: [{name: a}]", "[]", "deployments: [{name: a, entrypoint: 1}]"):
        (root / "prefect.yaml").write_text(wrong)
        with pytest.raises(ConfigError, match=r"prefect\.yaml"):
            deployments(root)
        assert to_deploy(place) is None
    (root / "prefect.yaml").unlink()
    assert to_deploy(place) is None
