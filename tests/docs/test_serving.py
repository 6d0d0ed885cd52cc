"""docs/serving.md: its commands are ones, its routes, codes and limits the code's, its files are there."""

import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from components.data.transforms.preprocess import MAX_PIXELS
from components.serving.gateway import embeddings, texts_in
from components.serving.gateway.settings import Settings
from flows.cli import _parser
from tests.benchmarks import serve_page
from tests.components.serving.gateway.conftest import description

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/serving.md").read_text()
GATEWAY = REPOSITORY / "components/serving/gateway"


def test_the_commands_are_those_there_are():
    commands = re.findall(r"^\.venv/bin/diptych (.*?)(?: +#.*)?$", PAGE, re.M)
    assert len(commands) > 8
    for command in commands:
        _parser().parse_args(shlex.split(command))


def test_the_codes_are_those_of_the_code():
    source = "".join(path.read_text() for path in GATEWAY.glob("*.py"))
    given = set(re.findall(r'(?:bad|Refusal)\(\s*(?:\d+,\s*)?"(\w+)"', source)) | {
        "invalid_json",
        "not_found",
        "invalid_image",
        "refused_by_model",
        "method_not_allowed",
    }
    table = PAGE[PAGE.index("| status | code |") : PAGE.index("## How it holds")]
    said = {code for code in re.findall(r"`(\w+)`", table) if "_" in code or code == "overloaded"}
    assert said - {"no_picture"} == given - {"internal_error", "disconnected", "no_picture"}


def test_the_routes_are_those_of_the_code(tmp_path):
    known = {
        f"{method.upper()} {path.replace('{key}', 'KEY')}"
        for path, its in description(tmp_path)["paths"].items()
        for method in its
    }
    said = set(re.findall(r"`((?:GET|POST) /[\w/]+)`", PAGE)) | {"GET /readyz", "GET /metrics"}
    assert known == said - {"GET /openapi.json"}


def test_the_limits_are_those_of_the_code():
    settings = Settings(root=Path())
    assert f"`body_too_large` ({settings.max_body_mb:g} MB)" in PAGE
    assert f"({MAX_PIXELS:,} pixels" in PAGE
    assert f"({texts_in.MOST_CHARACTERS:,} characters)" in PAGE
    assert f"`overloaded` ({settings.in_flight} requests" in PAGE
    assert all(one in PAGE for one in get_args(embeddings.Format))


def test_the_container_is_that_of_our_image():
    (image,) = re.findall(r"`(tritonserver:[\w.-]+)`", PAGE)
    assert re.search(
        rf"^FROM nvcr\.io/nvidia/{re.escape(image)}@sha256:\w{{64}} AS triton$",
        (REPOSITORY / "infra/Dockerfile").read_text(),
        re.M,
    )


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests|infra)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()


def test_the_numbers_are_those_that_were_measured():
    assert serve_page.with_numbers(PAGE) == PAGE, "python -m tests.benchmarks.serve_page writes them"


def test_the_numbers_of_a_towers_vectors_are_those_that_were_measured():
    tower = json.loads((REPOSITORY / "docs/benchmarks/vector_search.json").read_text())["tower"]
    assert f"beyond its {tower['pictures']:,} pictures" in PAGE
    assert f"a trained tower of {tower['width']} numbers" in PAGE


def test_what_measures_an_answer_again_says_of_how_many_requests():
    said = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text())
    assert f"--requests {said['requests']} " in said["command"]
    assert f"--requests {said['grpc']['requests']} " in said["grpc"]["command"]


def test_what_is_said_of_the_minute_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text())
    minute, other = said["sustained"]["text"]["64"], said["sides"]["fastapi"]["text"]["64"]
    its = f"over the minute a text takes {minute['cpu_ms']:.2f} CPU-milliseconds and {minute['per_s']:,.0f} are answered a second, behind "
    assert its + f"FastAPI's {other['cpu_ms']:.2f} and {other['per_s']:,.0f}" in " ".join(PAGE.split())
    assert f"bursts of {said['requests']} requests" in PAGE


def test_what_is_said_of_infinity_emb_is_what_was_measured():
    sides = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text())["sides"]
    ours, theirs = sides["gateway"], sides["infinity"]
    assert all(theirs[what][at]["per_s"] < ours[what][at]["per_s"] for what in ours for at in ours[what])
    cheaper = {what: [at for at in ours[what] if theirs[what][at]["cpu_ms"] < ours[what][at]["cpu_ms"]] for what in ours}  # fmt: skip
    assert cheaper == {"text": ["1", "4", "16"], "image": ["4", "16"]}
    alone = [side["text"]["1"]["per_s"] for side in (theirs, ours)]
    said = f"with one client {alone[0]:.0f} texts where the gateway answers {alone[1]:.0f}"
    assert said in " ".join(PAGE.split())
    assert "up to 16 clients a text costs it less of the processor, as does a picture of 4 or 16" in " ".join(PAGE.split())  # fmt: skip
