"""`diptych ui` as a person uses it: real Prefect and MLflow pages on the stores of a small workspace."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from components.contracts.errors import CapabilityError
from components.registry.links import artifact_link
from components.registry.live import LiveRun
from flows.pages import Pages
from flows.ui import leaning_on
from tests.workspace import REPOSITORY, environment

STARTED = [sys.executable, "-u", "-m", "flows.cli"]


def of_toy(**changed: str) -> dict[str, str]:
    """Return the environment of a command in the toy workspace, whose code is the repository's."""
    return environment(PYTHONPATH=str(REPOSITORY), **changed)


def diptych(root: Path, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*STARTED, *arguments], cwd=root, env=of_toy(**changed), capture_output=True, text=True, timeout=300
    )


@contextmanager
def opened(root: Path, **changed: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a `diptych ui` whose pages are up; what it says is in said.txt, beside the workspace."""
    said = root.parent / "said.txt"
    with said.open("wb") as output:
        ui = subprocess.Popen([*STARTED, "ui"], cwd=root, env=of_toy(**changed), stdout=output, stderr=output)
    try:
        wait_until(lambda: "Ready" in said.read_text() or ui.poll() is not None, said.read_text, 240)
        assert ui.poll() is None, said.read_text()
        yield ui
    finally:
        ui.kill()
        ui.wait()


def wait_until(condition: Callable[[], object], seen: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {timeout_s} s; seen last: {seen()}"
        time.sleep(0.05)


def asked(address: str, body: object = None) -> bytes:
    """Return the answer of a page or an API."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "text/html,application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=60) as answer:
        return answer.read()


def processes_in(root: Path) -> set[str]:
    """Return the processes that stand in the workspace, by command."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, FileNotFoundError):
            if Path(process.cwd()).is_relative_to(root) and process.status() != psutil.STATUS_ZOMBIE:
                found.add(" ".join(process.cmdline()))
    return found


@pytest.fixture(scope="module")
def ui(module_toy: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `diptych ui` with a run that was made beside it."""
    with opened(module_toy) as process:
        ran = diptych(module_toy, "run")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "live at http://127.0.0.1:" in ran.stdout, "the run reports to the page that is up"
        yield process


@pytest.fixture
def pages(ui: subprocess.Popen[bytes], module_toy: Path) -> Pages:
    found = Pages.read(module_toy)
    assert found is not None
    return found


def test_the_run_is_on_prefects_page_with_tables_pictures_and_links(pages, module_toy):
    runs = json.loads(asked(f"{pages.prefect}/api/flow_runs/filter", {}))
    assert [run["state_type"] for run in runs] == ["COMPLETED"]
    artifacts = {one["key"]: one for one in json.loads(asked(f"{pages.prefect}/api/artifacts/filter", {}))}
    assert {"metrics-clip", "examples-clip", "links-clip"} <= set(artifacts)
    assert "data:image/png;base64," in artifacts["examples-clip"]["data"]
    assert f"]({pages.mlflow}/#/experiments/" in artifacts["links-clip"]["data"]
    assert str(module_toy / "runs/clip/package/report.html") in artifacts["links-clip"]["data"]


def test_the_version_is_on_mlflows_page_with_its_report_and_examples(pages, module_toy):
    query = urllib.parse.urlencode({"name": "clip", "version": 1})
    version = json.loads(asked(f"{pages.mlflow}/api/2.0/mlflow/model-versions/get?{query}"))["model_version"]
    for name in ("report.html", "examples.png"):
        wanted = urllib.parse.urlencode({"path": f"package/{name}", "run_uuid": version["run_id"]})
        shown = asked(f"{pages.mlflow}/get-artifact?{wanted}")
        assert shown == (module_toy / "runs/clip/package" / name).read_bytes()
    assert f"#/experiments/1/runs/{version['run_id']}/artifacts/package/report.html" in version["description"]
    assert f"![what it finds](get-artifact?{wanted})" in version["description"]


def test_both_run_pages_link_to_the_report_that_mlflow_then_shows(pages, module_toy):
    query = urllib.parse.urlencode({"name": "clip", "version": 1})
    run_id = json.loads(asked(f"{pages.mlflow}/api/2.0/mlflow/model-versions/get?{query}"))["model_version"]["run_id"]
    run = json.loads(asked(f"{pages.mlflow}/api/2.0/mlflow/runs/get?{urllib.parse.urlencode({'run_id': run_id})}"))[
        "run"
    ]
    link = artifact_link(run["info"]["experiment_id"], run_id, "package/report.html")
    noted = next(tag["value"] for tag in run["data"]["tags"] if tag["key"] == "mlflow.note.content")
    assert f"]({link})" in noted, "MLflow's page of the run"
    artifacts = {one["key"]: one["data"] for one in json.loads(asked(f"{pages.prefect}/api/artifacts/filter", {}))}
    assert f"[Report of the model]({pages.mlflow}/{link})" in artifacts["links-clip"], "Prefect's page of the run"
    wanted = urllib.parse.urlencode({"path": "package/report.html", "run_uuid": run_id})
    shown = asked(f"{pages.mlflow}/get-artifact?{wanted}")
    assert shown == (module_toy / "runs/clip/package/report.html").read_bytes()


def test_looking_changes_nothing(pages, module_toy):
    again = diptych(module_toy, "run")
    assert "Nothing to do" in again.stdout, again.stdout + again.stderr


def test_curves_are_seen_while_they_are_drawn(pages, module_toy):
    live = LiveRun.open(module_toy, "clip", "live-digest", every_s=0.1, after_s=0.0)

    def shown() -> dict[str, list[float]]:
        body = {"experiment_ids": ["1"], "filter": "tags.`diptych.train_digest` = 'live-digest'"}
        found = json.loads(asked(f"{pages.mlflow}/api/2.0/mlflow/runs/search", body)).get("runs", [])
        states = {run["info"]["status"] for run in found}
        return {
            metric["key"]: [metric["step"], metric["value"]]
            for run in found
            for metric in run["data"].get("metrics", ())
            if states == {"RUNNING"}
        }

    try:
        for step in (1, 2):
            live.log(step, {"train.loss": 4.0 / step})
            wait_until(lambda step=step: shown().get("train.loss") == [step, 4.0 / step], shown)
    finally:
        live.close("KILLED")


def test_pages_are_html_and_ask_nobody_else(pages):
    from infra.browser import browser, find_chromium

    for address in (f"{pages.prefect}/v2/dashboard", f"{pages.mlflow}/"):
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": "text/html"})) as answer:
            assert "text/html" in answer.headers["Content-Type"]
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    try:
        find_chromium()
    except CapabilityError as err:
        if os.environ.get("CI"):
            raise  # there a browser that is missing is a fault
        pytest.skip(str(err))
    with browser() as tab:
        tab.open(f"{pages.prefect}/v2/runs")
        tab.wait_for_text("pipeline")
        tab.open(f"{pages.mlflow}/#/experiments/1/runs")
        tab.wait_for_text("Training runs", "clip")
        assert tab.strangers() == set()


def test_a_second_one_says_where_the_first_is(pages, module_toy):
    second = diptych(module_toy, "ui")
    assert second.returncode == 0, second.stderr
    assert pages.prefect in second.stdout
    assert pages.mlflow in second.stdout
    assert str(pages.process.pid) in second.stdout


def test_it_stops_without_a_trace_once_no_run_needs_it(ui, pages, module_toy):
    said = module_toy.parent / "said.txt"
    with leaning_on(module_toy) as found:
        assert found == pages
        ui.send_signal(signal.SIGINT)
        wait_until(lambda: "A run reports to these pages" in said.read_text(), said.read_text)
        assert asked(f"{pages.prefect}/api/health") == b"true"
        assert Pages.read(module_toy) is None, "no further run comes to lean on it"
    assert ui.wait(60) == 0, said.read_text()
    assert "Stopped" in said.read_text()
    assert processes_in(module_toy) == set()


def test_killed_it_leaves_no_process_and_no_record_that_is_believed(tmp_path, module_toy):
    # With an MLflow of the user's own there is only one page to start.
    with opened(module_toy, MLFLOW_TRACKING_URI="http://127.0.0.1:1") as ui:
        pages = Pages.read(module_toy)
        assert pages is not None
        assert pages.mlflow == "http://127.0.0.1:1"
        assert processes_in(module_toy)
        os.kill(ui.pid, signal.SIGKILL)
        ui.wait()
        wait_until(lambda: not processes_in(module_toy), lambda: processes_in(module_toy))
    assert (module_toy / ".diptych/ui.json").exists()
    assert Pages.read(module_toy) is None


def test_a_port_in_use_is_named_with_the_way_out(module_toy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = diptych(module_toy, "ui", "--mlflow-port", str(port))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"port {port} is in use" in refused.stderr
    assert "diptych ui --mlflow-port" in refused.stderr
    assert processes_in(module_toy) == set()
