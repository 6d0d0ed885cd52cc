"""Deploy, ask and down on a real Triton server: traffic moves only to what is right, and nothing is left behind.

The tests share one workspace; each begins by deploying what it needs, which is nothing when it is served already.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from components.contracts.errors import CapabilityError, StaleArtifact
from components.serving.endpoint import Endpoint, read_endpoint, read_previous, read_stopped, served_folder
from components.serving.errors import NotServed, ParityFailed, RequestRefused
from components.serving.labels import LABEL_FILES, measured_labels
from components.serving.process import running
from components.serving.sweep import SERVER, workspace_prefix
from components.serving.triton import status
from components.serving.triton_client import TritonClient
from flows.ask import ask, classify
from flows.serving.deploy import deploy, go_back
from flows.serving.down import down, resume
from tests.components.serving.tiny_package import COLOURS, SCALE, WIDTH, make_package, picture, write_manifest
from tests.components.serving.traces import DEADLINE_S, traces, until

REPOSITORY = Path(__file__).parents[2]
DEPLOY = """
import sys
from pathlib import Path
from flows.serving.deploy import deploy
deploy(Path(sys.argv[1]), Path(sys.argv[2]), "elsewhere")
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to serve from; whatever is served from it ends with these tests."""
    root = tmp_path_factory.mktemp("workspace")
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    yield root
    down(root)
    assert traces(root) == []


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that is served first."""
    return make_package(tmp_path_factory.mktemp("package") / "first")


@pytest.fixture
def served(workspace: Path, package: Path) -> Endpoint:
    """A server on the package, started only when it does not run yet."""
    return deploy(package, workspace, "tiny@1")


def served_colour(workspace: Path) -> str:
    """Return what the workspace's server finds for red."""
    return ask(workspace, "red", 1)[0].text


def make_noisy_package(folder: Path) -> Path:
    """Write a package whose text embeddings are random, so that no two runs agree."""
    make_package(folder, seed=2)
    model = onnx.load(str(folder / "text_encoder.onnx"))
    *before, last = model.graph.node
    last.input[0] = "noisy"
    noise = helper.make_node("RandomUniformLike", ["raw"], ["noise"], low=-9.0, high=9.0)
    nodes = [*before, noise, helper.make_node("Add", ["raw", "noise"], ["noisy"]), last]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(folder / "text_encoder.onnx"))
    write_manifest(folder)
    return folder


def deploy_elsewhere(package: Path, root: Path) -> "subprocess.Popen[bytes]":
    """Start a deploy in another process, in a session of its own, as a terminal would."""
    command = [sys.executable, "-c", DEPLOY, str(package), str(root)]
    return subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, stderr=subprocess.DEVNULL)


def test_ask_says_what_to_do_when_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(NotServed, match="Run `make run`"):
        ask(tmp_path, "a red heart", 5)
    assert down(tmp_path) == "Nothing was being served."
    assert not list(tmp_path.iterdir()), "asking must not write"


def test_no_serving_environment_is_one_sentence(package: Path, tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match=r"Nothing is served, because there is no \.venv-serving"):
        deploy(package, tmp_path, "tiny@1")
    assert status(tmp_path).state == "nothing"


def test_served_answers_are_the_packages(served: Endpoint, workspace: Path) -> None:
    hits = ask(workspace, "a blue square", 3)
    assert (len(hits), hits[0].key) == (3, "key-blue")
    assert served.label == "tiny@1"


def test_picture_in_a_file_gets_its_label(served: Endpoint, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "my.png").write_bytes(picture(COLOURS["green"]))
    assert classify(workspace, tmp_path / "my.png").labels[0].label == "green"
    found = classify(workspace, tmp_path / "my.png", ["blue", "green"], ["a {} square"], 1).labels
    assert [answer.label for answer in found] == ["green"]
    (tmp_path / "page.png").write_text("<!doctype html>")
    with pytest.raises(RequestRefused, match=r"page\.png: .* the bytes are not a picture"):
        classify(workspace, tmp_path / "page.png")


def test_data_without_labels_needs_some_and_an_old_package_needs_another(workspace: Path, tmp_path: Path) -> None:
    package, image = make_package(tmp_path / "unlabelled", seed=4), tmp_path / "my.png"
    image.write_bytes(picture(COLOURS["green"]))
    measured_labels(tmp_path / "absent.json", lambda texts: np.eye(0), WIDTH, SCALE).write(package)
    write_manifest(package)
    deploy(package, workspace, "tiny@6")
    with pytest.raises(RequestRefused, match=r"no labels of its own.* --labels cat,dog"):
        classify(workspace, image)
    assert classify(workspace, image, ["green", "red"]).labels[0].label == "green"
    for name in LABEL_FILES:
        (package / name).unlink()
    write_manifest(package)
    deploy(package, workspace, "tiny@7")
    assert served_colour(workspace) == "a red square"
    with pytest.raises(RequestRefused, match=r"made before packages had .* dvc repro"):
        classify(workspace, image, ["green", "red"])


def test_same_package_again_starts_nothing(served: Endpoint, workspace: Path, package: Path) -> None:
    again = deploy(package, workspace, "tiny@2", pictures=[picture((1, 2, 3))], texts=["red"])
    assert again.process == served.process
    assert (again.label, read_endpoint(workspace)) == ("tiny@2", again)
    assert len(list(running(SERVER, workspace_prefix(workspace)))) == 1


def test_other_package_takes_over_without_a_lost_request(served: Endpoint, workspace: Path, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other", seed=1)
    stop, answers, faults = threading.Event(), [], []

    def keep_asking() -> None:
        while not stop.is_set():
            try:
                answers.append(served_colour(workspace))
            except Exception as err:  # whatever it is, it is a lost request
                faults.append(err)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        now = deploy(other, workspace, "tiny@3", pictures=[picture((90, 10, 10))], texts=["a red square"])
    finally:
        stop.set()
        asking.join()
    assert faults == []
    assert set(answers) == {"a red square"}
    assert len(answers) > 50
    assert now.package_digest != served.package_digest
    assert not served.process.is_alive()
    assert traces(workspace, served.instance) == []
    with TritonClient(now.http) as client:
        assert client.package_digest() == now.package_digest


def test_damaged_package_is_refused_and_the_old_goes_on(
    served: Endpoint, workspace: Path, package: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(package, tmp_path / "damaged"))
    with (damaged / "index.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(StaleArtifact, match=r"index\.npy"):
        deploy(damaged, workspace, "tiny@4")
    assert read_endpoint(workspace) == served
    assert served_colour(workspace) == "a red square"


def test_server_that_differs_from_its_package_gets_no_traffic(
    served: Endpoint, workspace: Path, tmp_path: Path
) -> None:
    noisy = make_noisy_package(tmp_path / "noisy")
    with pytest.raises(ParityFailed, match="embed_text differs"):
        deploy(noisy, workspace, "tiny@5")
    assert read_endpoint(workspace) == served
    assert served_colour(workspace) == "a red square"
    assert len(list(running(SERVER, workspace_prefix(workspace)))) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_deploy_that_is_stopped_leaves_only_the_old_server(
    served: Endpoint, workspace: Path, tmp_path: Path, number: signal.Signals
) -> None:
    def servers() -> int:
        return len(list(running(SERVER, workspace_prefix(workspace))))

    deploying = deploy_elsewhere(make_package(tmp_path / "other", seed=3), workspace)
    assert until(lambda: servers() == 2 or deploying.poll() is not None)
    assert deploying.poll() is None, "it ended before it could be stopped"
    os.killpg(deploying.pid, number)
    deploying.wait(DEADLINE_S)
    assert until(lambda: servers() == 1), "the candidate runs on, and nobody knows of it"
    assert read_endpoint(workspace) == served
    assert served_colour(workspace) == "a red square"


def test_server_outlives_the_one_who_deployed_it(workspace: Path, package: Path) -> None:
    down(workspace)
    deploying = deploy_elsewhere(package, workspace)
    assert deploying.wait(DEADLINE_S) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(deploying.pid, signal.SIGINT)  # nothing of that session is left to hear Ctrl-C
    assert served_colour(workspace) == "a red square"


def test_killed_server_is_replaced(served: Endpoint, workspace: Path, package: Path) -> None:
    served.process.send(signal.SIGKILL)
    assert served.process.wait(DEADLINE_S)
    dead = status(workspace)
    assert (dead.state, dead.reason) == ("dead", f"Its process {served.process.pid} has ended.")
    with pytest.raises(NotServed, match="does not answer"):
        ask(workspace, "red", 1)
    assert deploy(package, workspace, "tiny@1").process != served.process
    assert served_colour(workspace) == "a red square"
    assert traces(workspace, served.instance) == []


def test_down_says_what_it_did(served: Endpoint, workspace: Path) -> None:
    assert down(workspace) == "Stopped 1 Triton server; no process and no shared memory of ours is left."
    assert traces(workspace) == []
    assert not served.process.is_alive()
    assert status(workspace).state == "nothing"
    left = {"gateway.lock", "lock", "stopped.json", served.instance}
    if (previous := read_previous(workspace)) is not None:  # of the tests before: the way back stays
        left |= {"previous.json", previous.instance}
    assert {path.name for path in served_folder(workspace).iterdir()} - {"previous.log"} == left
    assert down(workspace).startswith("Nothing was being served")


def test_what_was_stopped_goes_on_once_and_while_its_files_are_there(served: Endpoint, workspace: Path) -> None:
    resume(workspace)
    assert status(workspace).endpoint == served, "something is served"
    down(workspace)
    down(workspace)
    resume(workspace)
    assert (status(workspace).endpoint, status(workspace).state) == (served, "dead"), "its keeper starts it"
    down(workspace)
    shutil.rmtree(served.repository)
    resume(workspace)
    assert status(workspace).state == "nothing"
    assert read_stopped(workspace) is None


def test_of_what_was_stopped_the_files_stay_until_another_is_right_and_then_it_can_be_gone_back_to(
    served: Endpoint, package: Path, workspace: Path, tmp_path: Path
) -> None:
    down(workspace)
    resume(workspace)
    with pytest.raises(ParityFailed):
        deploy(make_noisy_package(tmp_path / "wrong"), workspace, "wrong@1")
    assert status(workspace).endpoint == served
    assert served.repository.exists(), "the keeper starts it from there"
    down(workspace)
    other = deploy(make_package(tmp_path / "other", seed=6), workspace, "other@1")
    assert read_stopped(workspace) is None
    back, before = go_back(workspace)
    assert before == other
    assert back.package_digest == served.package_digest
    assert served_colour(workspace) == "a red square"


def test_what_nobody_can_read_does_not_go_on(served: Endpoint, workspace: Path) -> None:
    (served_folder(workspace) / "server.json").write_text("{")
    down(workspace)
    resume(workspace)
    assert status(workspace).state == "nothing"


def test_nothing_is_resumed_where_nothing_was_served(tmp_path: Path) -> None:
    resume(tmp_path)
    assert not any(tmp_path.iterdir())
