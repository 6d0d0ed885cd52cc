"""docs/serving.md and docs/serving-measured.md: commands are ones, routes, codes and limits the code's, numbers those that were measured, files are there."""

import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from components.data.transforms.preprocess import MAX_PIXELS
from components.serving.gateway import against, embeddings, in_process, room, texts_in
from components.serving.gateway.settings import Settings
from components.serving.graph import LARGE
from components.serving.odd_samples import odd_pictures, odd_texts
from flows.cli import _parser
from tests.benchmarks import serve_page
from tests.components.serving.gateway.conftest import description

REPOSITORY = Path(__file__).parents[2]
PAGE, MEASURED = ((REPOSITORY / f"docs/{name}.md").read_text() for name in ("serving", "serving-measured"))
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
    assert said - {"no_picture"} == given - {"disconnected", "no_picture"}


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


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests|infra)/[\w/.]+)`", PAGE + MEASURED))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()


def test_the_numbers_are_those_that_were_measured():
    assert serve_page.with_numbers(MEASURED) == MEASURED, "python -m tests.benchmarks.serve_page writes them"


def test_the_numbers_of_a_towers_vectors_are_those_that_were_measured():
    tower = json.loads((REPOSITORY / "docs/benchmarks/vector_search.json").read_text())["tower"]
    assert f"beyond its {tower['pictures']:,} pictures" in MEASURED
    assert f"a trained tower of {tower['width']} numbers" in MEASURED


def test_what_a_search_takes_is_what_was_measured():
    sides = json.loads((REPOSITORY / "docs/benchmarks/vector_search.json").read_text())["sides"]
    by_vector, by_both = (sides[name]["p50_ms"] for name in ("search by vector", "search by vector and words"))
    assert f"takes {by_vector:.1f} ms by vector, and {by_both:.0f} ms by vector and words" in PAGE


def test_what_encoders_are_held_against_before_they_are_run_here_is_what_there_is():
    many = len(odd_texts()) + len(odd_pictures())
    assert f"that it gives of {many} odd texts and pictures (a cosine of {against.ALIKE})" in " ".join(PAGE.split())
    page = " ".join(PAGE.split())
    assert f"where both together have {room.MOST_MB:,} MB at most, and an eighth of the memory of this machine" in page
    assert f"({room.LEAST_MB} MB are taken in any case); while they are opened three times as much has to be free" in page  # fmt: skip
    assert (room.SHARE, room.TO_OPEN) == (1 / 8, 3)
    assert "a lone text or picture more than twice as fast as a worker" in page
    assert against.LONE_TIMES == 2
    assert "runs 32 texts at once, and 8 pictures on each of two threads" in PAGE
    assert {"text_encoder": in_process.Split(32, 1), "image_encoder": in_process.Split(8, 2)} == in_process.SMALL
    assert (
        f"that take less than {1000 * in_process.ON_THE_LOOP_S:g} ms together are done on the event loop"
        in " ".join(PAGE.split())
    )
    assert LARGE == 10_000_000
    assert "large one (more than ten million weights)" in page
    assert in_process.FEW == 8


def test_what_measures_an_answer_again_says_of_how_many_requests():
    said = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text())
    assert f"--requests {said['requests']} " in said["command"]
    assert f"--requests {said['grpc']['requests']} " in said["grpc"]["command"]


def test_what_is_said_of_the_minute_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text())
    minute, other = said["sustained"]["text"]["64"], said["sustained"]["fastapi"]["text"]["64"]
    its = f"over the minute a text takes {minute['cpu_ms']:.2f} CPU-milliseconds and {minute['per_s']:,.0f} are answered a second, ahead of "
    assert its + f"FastAPI's {other['cpu_ms']:.2f} and {other['per_s']:,.0f}" in " ".join(MEASURED.split())
    assert (minute["cpu_ms"], other["per_s"]) < (other["cpu_ms"], minute["per_s"])
    assert f"bursts of {said['requests']} requests" in MEASURED


def test_what_is_said_of_the_other_servers_is_what_was_measured():
    sides = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text())["sides"]
    ours, infinity = sides["gateway"], sides["infinity"]
    assert all(sides["fastapi"][what]["1"]["cpu_ms"] < ours[what]["1"]["cpu_ms"] for what in ours)
    assert all(0.9 < sides["mlflow"][what]["1"]["cpu_ms"] / ours[what]["1"]["cpu_ms"] < 1.1 for what in ours)
    for name in ("fastapi", "mlflow"):
        assert all(sides[name][what]["64"]["cpu_ms"] > ours[what]["64"]["cpu_ms"] for what in ours)
        assert all(sides[name][what]["64"]["per_s"] < ours[what]["64"]["per_s"] for what in ours)
    assert all(infinity[what][at]["per_s"] < ours[what][at]["per_s"] for what in ours for at in ours[what])
    cheaper = {what: [at for at in ours[what] if infinity[what][at]["cpu_ms"] < ours[what][at]["cpu_ms"]] for what in ours}  # fmt: skip
    assert cheaper == {"text": ["1", "4", "16"], "image": []}
    alone = [side["text"]["1"]["per_s"] for side in (infinity, ours)]
    said = f"with one client {alone[0]:.0f} texts where the gateway answers {alone[1]:.0f}"
    assert said in " ".join(MEASURED.split())
    assert "with 1, 4 and 16 clients a text costs it less of the processor." in " ".join(MEASURED.split())  # fmt: skip


def test_what_is_said_of_encoders_in_process_is_what_was_measured():
    said, page = json.loads((REPOSITORY / "docs/benchmarks/serve.json").read_text()), " ".join(MEASURED.split())
    bursts, minutes, soak = said["sides"], said["sustained"], said["soak"]
    told = []
    for its in (bursts, minutes):
        cells = [(what, at) for what in ("text", "image") for at in its["fastapi"][what]]
        for number in ("cpu_ms", "per_s"):
            ratios = [its["in_process"][what][at][number] / its["fastapi"][what][at][number] for what, at in cells]
            told.append(f"{min(ratios):.2f} to {max(ratios):.2f}")
    assert (
        f"it takes {told[0]} of the processor that plain FastAPI takes, and answers {told[1]} times as many requests; over the minute {told[2]}, and {told[3]} times."
        in page
    )
    here, there = bursts["in_process"], bursts["gateway"]
    more = {what: [at for at in here[what] if there[what][at]["per_s"] > here[what][at]["per_s"]] for what in here}
    assert more["text"] == []
    rates = [" and ".join(f"{its['image'][at]['per_s']:,.0f}" for at in more["image"]) for its in (there, here)]
    assert f"With {' and '.join(more['image'])} clients more pictures are answered through Triton, whose batches are larger: {rates[0]} a second in place of {rates[1]}." in page  # fmt: skip
    with_encoders, without = soak["in_process"]["memory_mb"][0], soak["memory_mb"][0]
    assert f"take {with_encoders - without:.0f} MB of each worker (all processes {with_encoders:.0f} in place of {without:.0f})" in page  # fmt: skip


def test_what_is_said_of_the_larger_model_is_what_was_measured():
    page = " ".join(MEASURED.split())
    now, again = (
        json.loads((REPOSITORY / f"docs/benchmarks/{name}.json").read_text())
        for name in ("serve", "serve-larger-again")
    )
    sides = now["larger"]["sides"]
    here, there, infinity = sides["in_process"], sides["gateway"], sides["infinity"]

    def ratios(sides, number, cells):
        its = [sides["in_process"][what][at][number] / sides["fastapi"][what][at][number] for what, at in cells]
        return [f"{one:.2f}" for one in its]

    cells = [(what, at) for what in here for at in here[what]]
    many = [("text", "16"), ("text", "64")]
    level = [cell for cell in cells if cell not in many]
    cpu, rate = (" and ".join(ratios(sides, number, many)) for number in ("cpu_ms", "per_s"))
    assert f"16 and 64 texts at once take {cpu} of the processor that they take plain FastAPI, and {rate} times as many are answered" in page  # fmt: skip
    spans = [f"{min(its)} to {max(its)}" for one in (sides, again["sides"]) for number in ("cpu_ms", "per_s") for its in [ratios(one, number, level)]]  # fmt: skip
    assert f"take {spans[0]} of its processor, and {spans[1]} times as many are answered; in [another run]" in page
    assert f"(commit `{again['commit']}`) it was {spans[2]}, and {spans[3]} times." in page
    its, ours = infinity["text"]["64"], here["text"]["64"]
    assert f"{its['cpu_ms']:.2f} CPU-milliseconds in place of {ours['cpu_ms']:.2f}, and answers {its['per_s']:.0f} a second in place of {ours['per_s']:.0f}" in page  # fmt: skip
    waits = [f"{side[what]['1']['p50_ms']:.0f}" for what in ("image", "text") for side in (there, here)]
    assert f"{waits[0]} ms for a picture in place of {waits[1]}, and {waits[2]} for a text in place of {waits[3]}" in page  # fmt: skip
    costs = [f"{side[what]['1']['cpu_ms']:.0f}" for side in (there, here) for what in ("image", "text")]
    assert f"They take {costs[0]} and {costs[1]} CPU-milliseconds for it in place of {costs[2]} and {costs[3]}" in page
    assert all(there[what][at]["per_s"] < here[what][at]["per_s"] for what, at in cells if at != "1")
