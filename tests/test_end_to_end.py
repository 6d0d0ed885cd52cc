"""The main job on real pictures, at `debug`: real DVC, Prefect, MLflow and Triton, from nothing to an answer and back."""

import html
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from components.serving.sweep import workspace_prefix
from components.serving.triton import read_endpoint
from tests.workspace import REPOSITORY, changes, diptych, dvc, environment, make_workspace

pytestmark = pytest.mark.timeout(900)

SECRETS = {
    "AWS_ACCESS_KEY_ID": "planted-aws-id", "AWS_SECRET_ACCESS_KEY": "planted-aws-key", "AWS_SESSION_TOKEN": "planted-aws-token",
    "PREFECT_API_AUTH_STRING": "me:planted-prefect", "MLFLOW_TRACKING_USERNAME": "planted-user", "MLFLOW_TRACKING_PASSWORD": "planted-mlflow",
    "PGPASSWORD": "planted-postgres", "HF_TOKEN": "planted-hub", "DIPTYCH_NOTIFY_SLACK": "https://hooks.slack.com/services/T0/B0/planted-slack",
    "DIPTYCH_NOTIFY_MAIL": "mailtos://me:planted-mail@example.com",
}  # fmt: skip
"""What the shell knows in which everything is run."""


def ours(root: Path) -> set[str]:
    """Return the processes that stand in the workspace or name it, and what lies in shared memory."""
    found = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            words = " ".join(process.info["cmdline"] or ())
            if str(root) in words or process.cwd().startswith(str(root)):
                found.add(f"process {process.pid}: {words}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    mark = workspace_prefix(root)
    return found | {f"shared memory {path.name}" for path in Path("/dev/shm").iterdir() if mark in path.name}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace after the first command of the quickstart; nothing is left at the end, whatever the tests find."""
    root = make_workspace(tmp_path_factory.mktemp("main") / "job")
    assert ours(root) == set()
    is_set_up = subprocess.run([root / "infra/setup.sh", "check"], cwd=root, capture_output=True, text=True)
    assert is_set_up.returncode == 0, is_set_up.stderr  # or `make run` would install into the environment of the tests
    try:
        (root / "said.txt").write_text(in_a_shell(root, quickstart()[0]))
        yield root
    finally:
        diptych(root, "down")


def test_the_ending_says_what_was_measured_what_is_answered_and_where_everything_is(workspace):
    said = (workspace / "said.txt").read_text()
    for expected in (
        "pair",
        "designer",
        "concept",
        "chance",
        "report.html",
        "mlflow",
        "clip@1",
        "diptych down",
        "diptych ask",
    ):
        assert expected in said, f"{expected!r} is not in the ending:\n{said}"


def test_a_real_triton_answers_from_the_package(workspace):
    endpoint = read_endpoint(workspace)
    with urllib.request.urlopen(f"http://{endpoint.http}/v2", timeout=10) as answer:
        assert json.load(answer)["name"] == "triton"
    executable = Path(psutil.Process(endpoint.process.pid).exe())
    assert executable.name == "tritonserver"
    assert "pytriton" in str(executable)
    manifest = json.loads((workspace / "runs/clip/package/manifest.json").read_text())
    assert endpoint.package_digest == manifest["digest"]
    asked = diptych(workspace, "ask", "a red heart", "--top-k", "4", "--json")
    assert asked.returncode == 0, asked.stderr
    hits = json.loads(asked.stdout)
    assert len(hits) == 4
    assert all(hit["text"] and hit["key"] and -1 <= hit["score"] <= 1.001 for hit in hits)


def test_a_picture_is_asked_for_its_likeliest_label(workspace):
    image = Image.new("RGB", (64, 64), (200, 20, 30))
    image.save(workspace / "my.png")
    asked = diptych(workspace, "ask", "--image", "my.png", "--labels", "a red heart,a police car", "--json")
    (workspace / "my.png").unlink()
    assert asked.returncode == 0, asked.stderr
    answers = json.loads(asked.stdout)
    assert {answer["label"] for answer in answers} == {"a red heart", "a police car"}
    assert sum(answer["score"] for answer in answers) == pytest.approx(1, abs=1e-5)


def test_a_picture_without_labels_of_ones_own_gets_one_that_was_measured(workspace):
    evaluated = json.loads((workspace / "runs/clip/evaluate/labels.json").read_text())
    assert evaluated["set"] == "category"
    assert len(evaluated["labels"]) == 9
    Image.new("RGB", (64, 64), (200, 20, 30)).save(workspace / "my.png")
    asked = diptych(workspace, "ask", "--image", "my.png", "--json")
    (workspace / "my.png").unlink()
    assert asked.returncode == 0, asked.stderr
    answers = json.loads(asked.stdout)
    assert answers
    assert {answer["label"] for answer in answers} <= set(evaluated["labels"])


def test_every_evaluator_has_measured_and_the_ending_names_it(workspace):
    metrics, said = (
        json.loads((workspace / "runs/clip/evaluate/metrics.json").read_text()),
        (workspace / "said.txt").read_text(),
    )
    for split in ("val", "pair", "designer", "concept", "both"):
        for name, guess in (("category.top1", 9), ("category.one_prompt.top1", 9), ("subcategory.top1", 99)):
            metric = metrics[f"zero_shot.{split}.{name}"]
            assert metric["n"] > 100
            assert metric["chance"] == pytest.approx(1 / guess)
            assert metric["method"].startswith(f"1 of {guess} by ")
    assert metrics["probe.digits.top1"]["value"] > 3 * metrics["probe.digits.top1"]["chance"]
    assert metrics["features.val.alignment"]["unit"] == "squared_distance"
    assert json.loads((workspace / "runs/clip/evaluate/without.json").read_text()) == {}
    for expected in (
        "Beside retrieval",
        "category",
        "digits, probe",
        "This data allows the splits val, pair, designer",
    ):
        assert expected in said


def test_every_metric_has_its_chance_its_baseline_and_its_queries(workspace):
    metrics = json.loads((workspace / "runs/clip/evaluate/metrics.json").read_text())
    for split in ("val", "pair", "designer", "concept", "both"):
        for direction in ("image_to_text", "text_to_image"):
            metric = metrics[f"retrieval.{split}.{direction}.recall_at_1"]
            assert metric["n"] > 100
            assert 0 < metric["chance"] < 0.02
            assert 0 <= metric["baseline"] < 1


def test_a_second_run_trains_nothing_and_starts_neither_prefect_nor_mlflow(workspace):
    watched = [workspace / "mlflow.db", workspace / ".diptych/logs/prefect-server.log"]
    ran, touched = changes(workspace), [path.stat().st_mtime_ns for path in watched]
    again = diptych(workspace, "run")
    assert again.returncode == 0, again.stderr
    assert "Nothing to do" in again.stdout
    assert changes(workspace) == ran
    assert [path.stat().st_mtime_ns for path in watched] == touched


def test_report_and_pages_are_pictured_by_a_script(workspace, tmp_path):
    if shutil.which("chromium") is None and "CI" not in os.environ:
        pytest.skip("no Chromium: apt-get install chromium")
    made = subprocess.run(
        [str(workspace / "infra/python"), "-m", "infra.screenshots", "--to", str(tmp_path)],
        cwd=workspace, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    names = (
        "report.png",
        "report-more.png",
        "report-phone.png",
        "page.png",
        "page-phone.png",
        "prefect.png",
        "mlflow.png",
    )
    assert made.stdout.split()[::3] == [str(tmp_path / name) for name in names]
    for path in map(Path, made.stdout.split()[::3]):
        with Image.open(path) as picture:
            assert picture.width == (390 if "phone" in path.name else 1400)
            assert len(picture.getcolors()) >= 32, "a page that is drawn, not one that is blank"


def test_what_the_report_tells_to_copy_does_what_it_says(workspace):
    page = (workspace / "runs/clip/package/report.html").read_text()
    shell, *python = (html.unescape(code) for code in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.S))
    picture = workspace / "picture.png"
    Image.new("RGB", (64, 64), (200, 20, 20)).save(picture)
    try:
        for command in shell.splitlines():
            assert in_a_shell(workspace, command).strip()
        for code in python:
            ran = subprocess.run(
                [str(workspace / "infra/python"), "-c", code], cwd=workspace, env=environment(), capture_output=True, text=True, check=False
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            assert ran.stdout.strip()
    finally:
        picture.unlink()
    assert len(python) == 2


def test_a_shell_repro_has_nothing_to_do_after_it(workspace):
    ran = changes(workspace)
    repro = dvc(workspace, "repro")
    assert repro.returncode == 0, repro.stderr
    assert changes(workspace) == ran


def test_a_package_that_is_measured_again_gives_the_same_numbers_and_rows(workspace, tmp_path):
    """So a champion can be held against a challenger on the data of today."""
    command = [
        "-m",
        "components.stages.rescore",
        "--recipe",
        "clip",
        "--package",
        "runs/clip/package",
        "--out",
        str(tmp_path / "again"),
    ]
    again = subprocess.run(
        [str(workspace / "infra/python"), *command], cwd=workspace, env=environment(), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    kept = workspace / "runs/clip/evaluate"
    assert json.loads((tmp_path / "again/metrics.json").read_text()) == json.loads((kept / "metrics.json").read_text())
    trained = json.loads((workspace / "runs/clip/pretrain/metrics.json").read_text())["pictures"]
    assert sum(json.loads((kept / "licences.json").read_text()).values()) == trained
    rows = sorted(path.name for path in (kept / "rows").iterdir())
    assert rows == sorted(path.name for path in (tmp_path / "again/rows").iterdir()) != []
    for name in rows:
        assert pq.read_table(tmp_path / "again/rows" / name).equals(pq.read_table(kept / "rows" / name))


def test_the_champion_is_exported_as_it_is_served(workspace, tmp_path):
    for to in ("onnx", "triton"):
        made = diptych(workspace, "export", "clip@champion", "--to", to, "--out", str(tmp_path / to), "--json")
        assert made.returncode == 0, made.stderr
        assert max(json.loads(made.stdout)["furthest"].values()) <= 1e-5
    served, package = read_endpoint(workspace).repository, workspace / "runs/clip/package"
    for name in ("image_encoder.onnx", "text_encoder.onnx", "tokenizer.json", "transforms.json"):
        assert (tmp_path / "onnx" / name).read_bytes() == (package / name).read_bytes()
    files = {
        path.relative_to(served) for path in served.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert files == {
        path.relative_to(tmp_path / "triton") for path in (tmp_path / "triton").rglob("*") if path.is_file()
    }
    assert all((served / name).read_bytes() == (tmp_path / "triton" / name).read_bytes() for name in files)
    refused = diptych(workspace, "export", "clip@7", "--to", "onnx", "--out", str(tmp_path / "other"))
    assert refused.returncode == 1
    assert "It has clip@1" in refused.stderr


def test_a_number_of_the_evaluation_makes_evaluate_stale_and_nothing_before(workspace):
    path = workspace / "components/recipes/clip.yaml"
    said = path.read_text()
    recipe = yaml.safe_load(said)
    recipe["evaluation"]["ks"] = [1, 5, 10, 20]
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    assert set(json.loads(dvc(workspace, "status", "--json").stdout)) == {"code", "evaluate@clip"}
    assert dvc(workspace, "repro", "code").returncode == 0, "which looks at what else there is, and finds the same code"
    stale = json.loads(dvc(workspace, "status", "--json").stdout)
    path.write_text(said)
    assert dvc(workspace, "repro", "code").returncode == 0
    assert set(stale) == {"evaluate@clip"}


def test_every_command_of_the_quickstart_does_what_it_says_and_the_last_leaves_nothing(workspace):
    shutil.copytree(REPOSITORY / "docs", workspace / "docs")
    commands, ran = quickstart(), changes(workspace)
    assert commands[0] == "make run"
    assert commands[-1] == ".venv/bin/diptych down"
    assert len(ours(workspace)) > 1  # the server, and what it shares
    said = {command: in_a_shell(workspace, command) for command in commands[1:]}
    assert ours(workspace) == set()
    assert "up to date" in said[".venv/bin/dvc status"]
    assert "params.yaml now says overrides.training.optimisation.lr: 0.004" in "".join(said.values())
    now = changes(workspace)
    assert {stage for stage in now if now[stage] > ran[stage]} >= {"pretrain@clip", "evaluate@clip", "package@clip"}
    assert now["ingest"] == ran["ingest"]
    assert "clip@2" in next(text for command, text in said.items() if "lr=0.004" in command)
    assert "clip@1" in said[".venv/bin/diptych run"], "promoted by hand"
    refused = diptych(workspace, "ask", "a red heart")
    assert refused.returncode == 1
    assert "make run" in refused.stderr


def test_no_secret_of_the_shell_is_in_a_file_that_was_left(workspace):
    """Logs, databases, artifacts, packages, reports, what DVC and git keep: all that the commands of before wrote."""
    secrets = {name: re.findall(r"planted-[\w-]+", value)[0].encode() for name, value in SECRETS.items()}
    (workspace / "planted.txt").write_bytes(b" ".join(secrets.values()))
    looked_at, found = [], {}
    for path in workspace.rglob("*"):
        if path.is_file() and not path.is_symlink():
            looked_at.append(str(path.relative_to(workspace)))
            data = path.read_bytes()
            if names := [name for name, secret in secrets.items() if secret in data]:
                found[looked_at[-1]] = names
    assert found.pop("planted.txt") == list(SECRETS), "what is looked for is found"
    assert found == {}
    for name in (
        "mlflow.db",
        "said.txt",
        "runs/clip/package/report.html",
        ".diptych/prefect/prefect.db",
        ".diptych/logs/prefect-server.log",
    ):
        assert name in looked_at


def quickstart() -> list[str]:
    """Return the commands of the page, in order."""
    text = (REPOSITORY / "docs/quickstart.md").read_text()
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]


def in_a_shell(root: Path, command: str, timeout_s: float = 600) -> str:
    """Run a line of the docs as a person would, and return what it prints; `diptych ui` until its pages are up.

    Where it takes too long, it is ended with all that it has started.
    """
    said = root / "shell.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=root,
            env=environment(**SECRETS),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        if command.split("#")[0].strip() == ".venv/bin/diptych ui":
            deadline = time.monotonic() + 240
            while "Ready" not in said.read_text():
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < deadline, said.read_text()
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=timeout_s) == 0, f"{command}: {said.read_text()[-4000:]}"
    finally:
        if process.poll() is None:
            for one in (*psutil.Process(process.pid).children(recursive=True), process):
                one.kill()
    return said.read_text()
