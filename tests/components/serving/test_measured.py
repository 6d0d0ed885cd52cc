"""A set measured through a running server has the numbers that the package has, and what goes wrong on the way is said."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import CapabilityError, DataError
from components.serving.command import free_ports
from components.serving.endpoint import Endpoint, served_folder, write_endpoint
from components.serving.errors import BadPicture, NotServed
from components.serving.measured import MeasuredPackage, MeasuredServer, Undrawn, unit
from components.serving.package import Package
from flows.cli import main
from tests.components.serving.tiny_package import COLOURS, SCALE, WIDTH, picture
from tests.their_sets import write_set

NAMES = tuple(COLOURS)


@pytest.fixture
def diptych(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in a folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: object) -> tuple[int, str, str]:
        return main(["evaluate", *map(str, arguments)]), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def mixed(place: int) -> bytes:
    """A picture of a colour and something of others, so that some are taken for another."""
    draws = np.random.default_rng(place)
    blend = 0.5 * np.array(COLOURS[NAMES[place % 3]]) + 0.5 * draws.integers(0, 256, 3)
    return picture(tuple(int(part) for part in blend))


@pytest.fixture
def sets(tmp_path: Path) -> list[Path]:
    """Forty pictures to classify, and to retrieve."""
    pictures = [mixed(place) for place in range(40)]
    kinds = [{"png": data, "cls": str(place % 3).encode()} for place, data in enumerate(pictures)]
    said = [
        {"png": data, "txt": f"a {NAMES[place % 3]} {NAMES[place // 3 % 3]} square".encode()}
        for place, data in enumerate(pictures)
    ]
    return [
        write_set(tmp_path / "kinds", kinds, NAMES, ("a {c} square", "{c}")),
        write_set(tmp_path / "said", said),
    ]


def test_what_is_served_has_the_packages_numbers(diptych, endpoint: Endpoint, package: Path, sets, tmp_path) -> None:
    root = tmp_path / "workspace/below"
    root.mkdir(parents=True)
    served_folder(root.parent).mkdir(parents=True)
    (root.parent / "dvc.yaml").touch()
    write_endpoint(root.parent, endpoint)
    asked = [word for folder in sets for word in ("--set", folder)]
    found = []
    for model in (package, f"triton:{endpoint.http}", "served"):
        os.chdir(root)
        code, out, err = diptych(model, *asked, "--json", "--to", tmp_path / "found" / str(len(found)))
        assert code == 0, err
        found.append(json.loads(out))
    ours, *served = found
    assert [one["kinds"]["model"]["library"] for one in found] == ["package", "triton", "triton"]
    assert len({one["kinds"]["model"]["sha256"] for one in found}) == 1
    for name in ("kinds", "said"):
        assert served[0][name]["metrics"] == served[1][name]["metrics"] == ours[name]["metrics"]
    assert 0 < ours["kinds"]["metrics"]["zero_shot.kinds.class.top1"]["value"] < 1
    assert 0 < ours["said"]["metrics"]["retrieval.said.text_to_image.recall_at_1"]["value"] < 1


def test_a_picture_that_the_server_refuses_is_named(diptych, endpoint: Endpoint, package: Path, tmp_path) -> None:
    rows = [{"png": mixed(place), "txt": b"a red square"} for place in range(40)]
    rows[35]["png"] = b"no picture"
    folder = write_set(tmp_path / "set", rows)
    for model in (f"triton:{endpoint.http}", package):
        code, _, err = diptych(model, "--set", folder, "--to", "found")
        assert (code, err.count("\n")) == (1, 1)
        assert "1/s0000035 of set cannot be shown to the model" in err
        assert "the bytes are not a picture" in err
    assert not (tmp_path / "found/set").exists()


def test_rows_are_the_same_whatever_the_batch_and_the_scale_is_the_packages(endpoint: Endpoint, package: Path) -> None:
    pictures, texts = [mixed(place) for place in range(40)], [f"a {name} square" for name in NAMES]
    inside = MeasuredPackage(Package.verify(package), batch=7)
    assert inside.logit_scale == SCALE
    with MeasuredServer(endpoint.http, batch=64) as served:
        assert (served.batch, served.offer.width, served.offer.digest) == (32, WIDTH, Package.verify(package).digest)
        np.testing.assert_allclose(served.pictures(pictures), inside.pictures(pictures), atol=1e-6)
        np.testing.assert_allclose(served.texts(texts), inside.texts(texts), atol=1e-6)
        served.check_same()
        for encoder in (served, inside):
            assert encoder.encoded(pictures[:2], ["pooled"])["pooled"].shape == (2, WIDTH)
            with pytest.raises(CapabilityError, match="not the features before it"):
                encoder.encoded(pictures, ["features"])
            with pytest.raises(BadPicture, match="not a picture") as refused:
                encoder.pictures([*pictures, b"none"])
            assert refused.value.place == 40


def test_no_untrained_model_of_the_same_kind_is_made_up() -> None:
    for ask in (Undrawn().texts, Undrawn().pictures, lambda words: Undrawn().encoded(words, ["pooled"])):
        with pytest.raises(CapabilityError, match="no untrained model to compare it with"):
            ask([])


@pytest.mark.parametrize("row", [[np.nan, 1.0], [np.inf, 1.0], [0.0, 0.0]])
def test_rows_that_point_nowhere_are_refused(row) -> None:
    rows = np.array([[3.0, 4.0], row, [1.0, 0.0]], np.float32)
    with pytest.raises(
        DataError, match=r"embed_text at here gives no direction for 1 of 3 texts, .* number 1 \(from 0\)"
    ):
        unit(rows, "text", "embed_text at here")
    assert unit(rows[:1], "text", "").tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]


@pytest.fixture
def cut(endpoint: Endpoint) -> Iterator[str]:
    """An address that leads to the server, until a first request with pictures was answered and a second is sent."""
    host, _, port = endpoint.http.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as front:
        threading.Thread(target=_lead, args=(front, (host, int(port))), daemon=True).start()
        yield f"127.0.0.1:{front.getsockname()[1]}"


def _lead(front: socket.socket, behind: tuple[str, int]) -> None:
    """Hand on what each connection says, and leave at the second picture request."""
    asked = 0
    while True:
        try:
            near, _ = front.accept()
        except OSError:  # the test has ended
            return
        with near, socket.create_connection(behind) as far:
            back = threading.Thread(target=_copy, args=(far, near), daemon=True)
            back.start()
            while data := near.recv(1 << 20):
                asked += data.startswith(b"POST /v2/models/embed_image/infer")
                if asked > 1:
                    break
                far.sendall(data)
            for end in (near, far):  # or the other thread, which reads, would keep the server's connection open
                with suppress(OSError):  # it may be gone already
                    end.shutdown(socket.SHUT_RDWR)
            if asked > 1:
                return


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 20):
            target.sendall(data)
    except OSError:
        return


def test_a_connection_that_is_lost_half_way_says_how_far_it_came(diptych, cut: str, endpoint: Endpoint, sets) -> None:
    code, _, err = diptych(f"triton:{cut}", "--set", sets[1], "--to", "found", "--batch", 16)
    assert code == 1
    assert "after 16 of 40 pictures: The server at" in err
    assert "the same command goes on with this one" in err
    assert diptych(f"triton:{endpoint.http}", "--set", sets[1], "--to", "found")[0] == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("triton:8000", "names no server: after triton: come host and port"),
        ("triton:localhost:http", "names no server"),
        ("triton:localhost:99999", "names no server"),
        ("triton:localhost:8000/embed_image", "and nothing else"),
        ("served", "has a dvc.yaml"),
    ],
)
def test_what_names_no_server_is_said(diptych, sets, said, why) -> None:
    code, out, err = diptych(said, "--set", sets[0])
    assert (code, out) == (1, "")
    assert why in err


def test_nobody_there_is_said(diptych, sets, tmp_path) -> None:
    code, _, err = diptych(f"triton:127.0.0.1:{free_ports().http}", "--set", sets[0])
    assert code == 1
    assert "does not answer" in err
    (tmp_path / "dvc.yaml").touch()
    assert "No model is served from" in diptych("served", "--set", sets[0])[2]
    said = diptych("triton:127.0.0.1:1", "--set", sets[0], "--from", "open_clip", "--tokenizer", "words")[2]
    assert "--tokenizer and --from say how a folder is read" in said


class Stand(BaseHTTPRequestHandler):
    """A server that says of its models what it is told to, in Triton's words."""

    def do_GET(self) -> None:
        model, what = self.path.split("/")[3:5]
        said = self.server.models[model]  # type: ignore[attr-defined]
        body = json.dumps(said.pop(0) if len(said) > 1 else said[0]).encode() if what == "config" else b""
        self.send_response(200 if said else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stand() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stand)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def config(width: int, digest: str = "") -> dict[str, object]:
    parameters = {"package_digest": {"string_value": digest}} if digest else {}
    return {"max_batch_size": 8, "output": [{"name": "embeds", "dims": [width]}], "parameters": parameters}


def test_what_a_server_offers_must_be_whole_and_of_one_width(stand, diptych, sets, tmp_path) -> None:
    address = f"127.0.0.1:{stand.server_address[1]}"
    stand.models = {"embed_image": [config(16)], "embed_text": []}
    with pytest.raises(NotServed, match=r"embed_text at .* is not there, or not ready"):
        MeasuredServer(address, 64)
    stand.models["embed_text"] = [config(32)]
    with pytest.raises(CapabilityError, match="vectors of 16 and 32 numbers, which cannot be compared"):
        MeasuredServer(address, 64)
    stand.models["embed_text"] = [config(16)]
    (tmp_path / "found/kinds").mkdir(parents=True)
    for name in ("about", "metrics"):
        (tmp_path / f"found/kinds/{name}.json").write_text("{}")
    assert "does not say which weights it serves" in diptych(f"triton:{address}", "--set", sets[0], "--to", "found")[2]


def test_a_model_that_was_deployed_meanwhile_is_noticed(stand) -> None:
    stand.models = {"embed_image": [config(16, "a" * 64), config(16, "b" * 64)], "embed_text": [config(16)]}
    address = f"127.0.0.1:{stand.server_address[1]}"
    with MeasuredServer(address, 64) as served, pytest.raises(DataError, match=r"deployed at .* while it was measured"):
        served.check_same()


def test_a_package_is_asked_by_labelled_pictures_in_the_space_that_it_gives(diptych, package: Path, sets) -> None:
    kinds, _ = sets
    code, out, err = diptych(package, "--set", kinds, "--json", "--fit", "probe", "knn", "few_shot")
    assert code == 0, err
    found = json.loads(out)["kinds"]["metrics"]
    fits = {name: its for name, its in found.items() if name.split(".")[0] in ("probe", "knn", "few_shot")}
    assert {"probe.kinds.class.top1", "knn.kinds.class.top1", "few_shot.kinds.class.shots_1.top1"} <= set(fits)
    assert all("the shared space" in its["method"] for its in fits.values()), "a package gives no more"
    assert fits["knn.kinds.class.top1"]["value"] > fits["knn.kinds.class.top1"]["chance"]


def test_a_picture_to_fit_on_that_a_package_cannot_decode_is_named(diptych, package: Path, tmp_path: Path) -> None:
    rows = [{"png": mixed(place), "cls": str(place % 3).encode()} for place in range(24)]
    folder = write_set(tmp_path / "fitting", rows, NAMES, ("{c}",))
    write_set(folder, [*rows[:5], {"png": b"no picture", "cls": b"2"}, *rows[6:]], NAMES, ("{c}",), split="train")
    code, _, err = diptych(package, "--set", folder, "--fit", "knn")
    assert code == 1
    assert "train/0/s0000005 of fitting cannot be shown to the model" in err
