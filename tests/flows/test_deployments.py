"""Which deployments a workspace has: those of prefect.yaml, and a night of each other recipe of params.yaml."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError
from flows.stack.deployments import Known, as_switched, deployments, known_as, untold, versions
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
    assert {key for key in nightly if siglip[key] != nightly[key]} == {"name", "parameters", "schedules"}
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


def known(said: dict, root: Path) -> dict[str, Known]:
    """What a server says that was told of these."""
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}]
    names = {name: name.rpartition("/") for name in versions(said, root)}
    listed = [
        {
            "id": name,
            "entrypoint": at[0],
            "name": at[2],
            "version": versions(said, root)[name],
            "pull_steps": steps,
            "schedules": [],
        }
        for name, at in names.items()
    ]
    found = known_as(root, listed)
    assert {name: one.version for name, one in found.items()} == versions(said, root)
    assert all(one.here for one in found.values())
    return found


def theirs(version: str | None) -> Known:
    return Known(id="1", version=version, here=True)


@pytest.mark.parametrize("steps", [None, [], [{"git_clone": {"repository": "r"}}], [{"a.step": None}]])
def test_one_whose_steps_name_no_folder_is_of_nobody_s_workspace(root, steps):
    (found,) = known_as(
        root, [{"id": 1, "entrypoint": None, "name": "a", "version": None, "pull_steps": steps, "schedules": []}]
    ).values()
    assert not found.here


def test_params_that_cannot_be_read_change_nothing_that_the_server_knows(root):
    recipes(root, "clip", "siglip")
    all_of_them = deployments(root)
    assert untold(root, {}) == all_of_them
    (root / "params.yaml").write_text("recipes: [")
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        deployments(root)
    assert untold(root, {}) == yaml.safe_load(SAID), "of a server that knows none yet"
    assert untold(root, {"of/somebody": theirs("1")}) == yaml.safe_load(SAID), "but for one that was made otherwise"
    some = dict([*known(all_of_them, root).items()][:2])
    assert untold(root, some) is None
    (root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    for wrong in ("deployments: [", "deployments: [{name: a}]", "[]", "deployments: [{name: a, entrypoint: 1}]"):
        (root / "prefect.yaml").write_text(wrong)
        with pytest.raises(ConfigError, match=r"prefect\.yaml"):
            deployments(root)
        assert untold(root, some) is None
        with pytest.raises(ConfigError, match=r"prefect\.yaml"):
            untold(root, {})


def test_a_server_is_told_where_it_lacks_one_has_one_otherwise_or_has_one_that_is_no_more(root):
    said = deployments(root)
    of_now = known(said, root)
    assert untold(root, of_now) is None
    by_hand = {"flows/mine.py:mine/by-hand": theirs("1.0"), "flows/mine.py:mine/again": theirs(None)}
    assert untold(root, {**of_now, **by_hand}) is None
    nightly = "flows/pipeline.py:pipeline/nightly"
    assert untold(root, {**of_now, nightly: theirs(None)}) == said, "somebody has deployed it by hand"
    assert untold(root, {name: one for name, one in of_now.items() if name != nightly}) == said
    assert untold(root, {**of_now, f"{nightly}-filip": of_now[nightly]}) == said, "its recipe is no more"
    elsewhere = replace(of_now[nightly], here=False)
    assert untold(root, {**of_now, f"{nightly}-filip": elsewhere}) is None, "another workspace's"
    assert untold(root, {**of_now, nightly: elsewhere}) is None, "as of steps that name no folder"
    (root / "prefect.yaml").write_text(SAID.replace("cron: 0 2 * * *", "cron: 0 1 * * *"))
    other = versions(deployments(root), root)
    assert {name for name, one in of_now.items() if other[name] != one.version} == {nightly}
    assert untold(root, of_now) == deployments(root)
    assert {*versions(said, root / "elsewhere").values()}.isdisjoint(versions(said, root).values()), (
        "it names the folder it works in"
    )


def test_a_version_that_prefect_yaml_says_stays_before_ours(root):
    (root / "prefect.yaml").write_text(SAID.replace("    name: nightly\n", "    name: nightly\n    version: '1.2'\n"))
    version = versions(deployments(root), root)["flows/pipeline.py:pipeline/nightly"]
    assert re.fullmatch(r"1\.2\+diptych\.[0-9a-f]{16}\.[0-9a-f]{8}", version)


def test_a_flow_whose_file_was_edited_is_deployed_anew_since_its_form_may_be_another(root):
    (root / "flows").mkdir()
    (root / "flows/pipeline.py").write_text("def pipeline(recipe): ...")
    before = known(deployments(root), root)
    assert untold(root, before) is None
    (root / "flows/pipeline.py").write_text("def pipeline(recipe, stage): ...")
    now = versions(deployments(root), root)
    assert {name for name, one in before.items() if one.version != now[name]} == {
        name for name in now if name.startswith("flows/pipeline.py:")
    }
    assert untold(root, before) == deployments(root)


def test_a_schedule_is_on_or_off_as_somebody_switched_it_until_the_file_says_otherwise_of_that(root):
    name = "flows/pipeline.py:pipeline/nightly"

    def nightly() -> dict:
        said = deployments(root)
        (found,) = [one for one in said["deployments"] if one["name"] == "nightly"]
        return {**found, "version": versions(said, root)[name]}

    on = nightly()
    off = replace(known(deployments(root), root)[name], are_on=(False,))
    (root / "prefect.yaml").write_text(SAID.replace("cron: 0 2 * * *", "cron: 0 1 * * *"))
    later = nightly()
    assert later["version"] != on["version"]
    (schedule,) = as_switched(later, off)["schedules"]
    assert (schedule["cron"], schedule["active"]) == ("0 1 * * *", False)
    assert as_switched(later, None) == later, "the server has none yet"
    assert as_switched(later, replace(off, version="1.0")) == later, "nobody knows what was said of it then"
    for switched, is_on in (((), False), ((False, False), False), ((False, True), True)):
        (schedule,) = as_switched(later, replace(off, are_on=switched))["schedules"]
        assert schedule["active"] == is_on, "somebody deleted it, or gave it another"
    (root / "prefect.yaml").write_text(SAID.replace("active: true", "active: false", 1))
    said_off, switched_on = nightly(), replace(off, are_on=(True,))
    assert said_off["schedules"][0]["active"] is False
    assert as_switched(said_off, switched_on) == said_off
