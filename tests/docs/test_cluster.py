"""docs/cluster.md: its files are there, its commands are ones, its variables are read."""

import re
from pathlib import Path

from flows.shared import FOLDER, VARIABLE
from tests.infra.deployed import POOLS, compose
from tests.infra.test_deployed_names import deployments

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docs/cluster.md").read_text()


def test_its_files_are_there():
    for path in re.findall(r"`((?:infra|flows|tests)/[\w./-]+)`", TEXT):
        assert (REPOSITORY / path).exists(), path
    listed = {path.removeprefix("infra/") for path in re.findall(r"^\| `(infra/[\w./]+)` \|", TEXT, re.MULTILINE)}
    assert listed == {
        "Dockerfile",
        "compose.yaml",
        "sky.yaml",
        *(f"kubernetes/{name}" for name in ("base", "gpu", "ranks", "pools")),
    }
    for name in re.findall(r"`base/([\w.-]+)`", TEXT):
        assert (REPOSITORY / "infra/kubernetes/base" / name).exists()
    for page in re.findall(r"\]\((\w[\w-]*\.md)\)", TEXT):
        assert (REPOSITORY / "docs" / page).exists()


def test_its_names_are_the_code_s():
    assert VARIABLE in TEXT
    assert f"`{FOLDER}/<stage>/<digest>.json`" in TEXT
    assert {f"pools/{pool}.json" for pool in POOLS} <= {*re.findall(r"pools/\w+\.json", TEXT)}
    named = {f"{one['entrypoint'].partition(':')[2]}/{one['name']}" for one in deployments()}
    assert {*re.findall(r"`(pipeline/\w+)`", TEXT)} <= named


def test_its_ports_are_those_of_compose():
    published = {port.split(":")[1] for service in compose()["services"].values() for port in service.get("ports", ())}
    assert {*re.findall(r"http://127\.0\.0\.1:(\d+)", TEXT)} == published


def test_the_pages_lead_to_it():
    assert "(docs/cluster.md)" in (REPOSITORY / "README.md").read_text()
    assert "(cluster.md)" in (REPOSITORY / "docs/stack.md").read_text()
