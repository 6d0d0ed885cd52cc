"""What a gateway keeps: thumbs, a share of the requests, spans; and pictures that it shows from the shards."""

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from PIL import Image

from components.data.manifest import LABELS, SCHEMA, write_manifest
from components.serving.gateway import app
from components.serving.gateway.feedback import feedback_file
from components.serving.gateway.keys import add_key, keys_file
from components.serving.gateway.samples import Samples, shed
from components.serving.gateway.settings import Settings
from components.serving.gateway.traces import _exporter
from flows.serving.deploy import deploy, deploy_beside
from flows.serving.down import down
from tests.components.serving.gateway.conftest import by_server, running
from tests.components.serving.tiny_package import COLOURS, make_package, picture

REPOSITORY = Path(__file__).parents[4]


def test_a_thumb_is_a_line_that_says_what_and_whose(start, workspace):
    feedback_file(workspace).unlink(missing_ok=True)
    client = start()
    body = {"query": "a red\nsquare ü", "key": "key-red", "vote": "up", "model": "tiny@1"}
    assert client.post("/v1/feedback", json=body).json() == {"kept": True}
    assert client.post("/v1/feedback", json={**body, "vote": "down"}).status_code == 200
    assert client.post("/v1/feedback", json={**body, "key": "nobody"}).status_code == 404
    assert client.post("/v1/feedback", json={**body, "vote": "sideways"}).status_code == 400
    assert client.post("/v1/feedback", json={**body, "query": " "}).status_code == 400
    lines = [json.loads(line) for line in feedback_file(workspace).read_text().split("\n") if line]
    assert [(line["vote"], line["query"], line["key"], line["version"], line["by"]) for line in lines] == [
        ("up", "a red\nsquare ü", "key-red", "tiny@1", None), ("down", "a red\nsquare ü", "key-red", "tiny@1", None),
    ]  # fmt: skip
    assert len(lines[0]["space"]) == 64


def test_a_thumb_that_cannot_be_kept_is_said_and_nothing_else_is_harmed(start, workspace):
    path = feedback_file(workspace)
    path.unlink(missing_ok=True)
    path.mkdir()  # as good as a disk that takes nothing: the file cannot be opened
    try:
        client = start()
        answer = client.post("/v1/feedback", json={"query": "red", "key": "key-red", "vote": "up"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_kept")
        assert client.post("/v1/search", json={"query": "red"}).status_code == 200
    finally:
        path.rmdir()


def test_samples_that_cannot_be_written_are_counted_in_the_log_and_the_next_are_kept(tmp_path, caplog):
    samples = Samples(tmp_path, share=1.0)
    row = {"request_id": "one", "route": "/v1/search", "status": 200, "seconds": 0.1}
    samples.folder.parent.mkdir(parents=True)
    samples.folder.write_text("in the way")
    samples.take(lambda: row)
    samples.write()
    assert "1 sampled requests were not kept" in caplog.text
    samples.folder.unlink()
    samples.take(lambda: row)
    samples.write()
    (kept,) = samples.folder.glob("*")
    assert pq.read_table(kept).num_rows == 1


def in_files(samples: Samples) -> list[list[str]]:
    """Return which requests are in each file, the smallest file first."""
    return sorted((pq.read_table(path)["request_id"].to_pylist() for path in samples.folder.glob("*.parquet")), key=len)


def test_a_row_that_is_made_while_others_are_written_is_kept(tmp_path):
    samples = Samples(tmp_path, share=1.0)

    def meanwhile() -> dict[str, str]:
        samples.write()
        return {"request_id": "third"}

    for name in ("first", "second"):
        samples.take(lambda name=name: {"request_id": name})
    samples.take(meanwhile)
    samples.write()
    assert in_files(samples) == [["third"], ["first", "second"]]


def test_the_minutes_write_has_what_waited_then_and_is_made_also_where_the_gateway_ends(tmp_path, monkeypatch):
    """While the one thread that writes has other work, a request is taken, and the gateway ends."""
    monkeypatch.setattr(app, "MOST_S", 0.0)
    samples, free = Samples(tmp_path, share=1.0), threading.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, free.wait)
        for name in ("first", "second"):
            samples.take(lambda name=name: {"request_id": name})
        writing = asyncio.create_task(app._write_regularly(samples))
        for _ in range(10):
            await asyncio.sleep(0)
        samples.take(lambda: {"request_id": "third"})
        writing.cancel()
        free.set()
        await busy
        samples.write()

    asyncio.run(serve())
    assert in_files(samples) == [["third"], ["first", "second"]]


def test_rows_that_are_no_table_are_counted_in_the_log_and_the_next_are_kept(tmp_path, caplog):
    samples = Samples(tmp_path, share=1.0)
    samples.take(lambda: {"status": "none"})
    samples.write()
    assert "1 sampled requests were not kept: Arrow" in caplog.text
    samples.take(lambda: {"request_id": "one", "status": 200})
    samples.write()
    assert in_files(samples) == [["one"]]


def test_a_row_that_is_not_kept_is_not_made(tmp_path):
    Samples(tmp_path, share=0.0).take(lambda: pytest.fail("it was made"))


def test_the_oldest_files_go_once_they_are_too_many_or_too_old(tmp_path):
    today = f"{datetime.now(UTC):%Y%m%d}"
    names = [f"2020010{day}T000000-a.parquet" for day in (1, 2)] + [
        f"{today}T00000{second}-a.parquet" for second in (1, 2, 3)
    ]
    for name in (*names, ".20200103T000000-a.parquet"):  # the last was never finished
        (tmp_path / name).write_bytes(bytes(2**20))
    shed(tmp_path, keep_days=30, keep_mb=99)
    assert sorted(path.name for path in tmp_path.iterdir()) == names[2:]
    shed(tmp_path, keep_days=30, keep_mb=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == names[3:]


def test_a_share_of_the_requests_is_kept_without_pictures(endpoint, workspace):
    folder = Samples(workspace, 0).folder
    before = set(folder.glob("*.parquet"))
    import httpx

    with (
        running(replace(by_server(workspace), log_share=1.0)) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        client.post("/v1/search", json={"query": "a red square", "top_k": 2}, headers={"x-request-id": "one"})
        client.post("/v1/search", json={"query": " "}, headers={"x-request-id": "two"})
        client.post("/v1/search", json={"query": "rot"}, headers={"x-request-id": "three", "content-language": "de-CH"})
        shown = f"data:image/png;base64,{base64.b64encode(picture((230, 20, 20))).decode()}"
        given = client.post(
            "/v1/embeddings", json={"input": [shown], "dimensions": 2}, headers={"x-request-id": "four"}
        )
        whole = client.post("/v1/embeddings", json={"input": [shown]}, headers={"x-request-id": "five"}).json()
        client.post("/v1/search", json={"like": "key-red"}, headers={"x-request-id": "six"})
    (new,) = set(folder.glob("*.parquet")) - before
    rows = pq.read_table(new).to_pylist()
    assert [(row["request_id"], row["route"], row["status"], row["query"], row["version"]) for row in rows[:2]] == [
        ("one", "/v1/search", 200, "a red square", "tiny@1"), ("two", "/v1/search", 400, None, None),
    ]  # fmt: skip
    assert given.status_code == 200
    assert [(row["side"], row["lang"]) for row in rows] == [
        ("text", "und-Latn"), (None, None), ("text", "de"), ("image", None), ("image", None), (None, None),
    ]  # fmt: skip
    np.testing.assert_allclose(
        rows[3]["embedding"], whole["data"][0]["embedding"], atol=1e-3
    )  # before it was shortened
    assert [row["package"] for row in rows] == [endpoint.package_digest, None, *[endpoint.package_digest] * 4]
    assert np.linalg.norm(rows[0]["embedding"]) == pytest.approx(1, abs=1e-3)
    assert rows[0]["keys"][0] == "key-red"
    assert rows[0]["scores"][0] == pytest.approx(1, abs=1e-3)


def test_spans_follow_the_callers(start, tmp_path):
    client = start(traces=tmp_path / "spans.jsonl")
    caller = "0af7651916cd43dd8448eb211c80319c"
    client.post("/v1/embeddings", json={"input": "red"}, headers={"traceparent": f"00-{caller}-b7ad6b7169203331-01"})
    deadline = time.monotonic() + 20
    while not (tmp_path / "spans.jsonl").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    span = json.loads((tmp_path / "spans.jsonl").read_text().splitlines()[0])
    assert span["context"]["trace_id"] == f"0x{caller}"
    assert (span["name"], span["attributes"]["http.response.status_code"]) == ("POST /v1/embeddings", 200)
    assert span["attributes"]["diptych.version"] == "tiny@1"


def test_spans_of_several_workers_are_not_torn_into_each_other(tmp_path):
    """Each has the file open for itself; a batch is more than what a file's buffer holds."""
    settings, tracer = Settings(root=tmp_path, traces=tmp_path / "spans.jsonl"), TracerProvider().get_tracer("test")
    spans = [tracer.start_span(f"{at}", attributes={"url.path": "x" * 3_000}) for at in range(20)]
    workers = [_exporter(settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        said = [pool.submit(one.export, spans) for _ in range(25) for one in workers]
    assert {one.result() for one in said} == {SpanExportResult.SUCCESS}
    for one in workers:
        one.shutdown()
    names = [json.loads(line)["name"] for line in settings.traces.read_text().splitlines()]
    assert names == [span.name for span in spans] * 100, "batch after batch"


def lay(root: Path, names: Collection[str], changed: Collection[str] = ()) -> None:
    """Write data that has pictures of the index, some of which were changed since."""
    shard, rows = b"", []
    from hashlib import sha256

    for name in names:
        data = picture(COLOURS[name], 500)
        rows.append(
            {
                **dict.fromkeys(SCHEMA.names), "key": f"key-{name}", "source": "tiny", "split": "train", "licence": "CC0-1.0", "shard": "train/000000.tar",
                "offset": len(shard), "size_bytes": len(data), "sha256": sha256(data).hexdigest(),
                "texts": [{"text": f"a {name} square", "kind": "short", "lang": "en"}], "labels": dict.fromkeys(LABELS),
            }
        )  # fmt: skip
        shard += data[:-1] + b"x" if name in changed else data
    (root / "data/raw/train").mkdir(parents=True, exist_ok=True)
    (root / "data/raw/train/000000.tar").write_bytes(shard)
    write_manifest(pa.Table.from_pylist(rows, SCHEMA), root / "data/raw/manifest.parquet")


@pytest.fixture
def shown(tmp_path):
    """A workspace whose data has the pictures of the index, one of which was changed since."""
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    lay(tmp_path, COLOURS, changed=["blue"])
    try:
        deploy(make_package(tmp_path / "package"), tmp_path, "tiny@1")
        yield tmp_path
    finally:
        down(tmp_path)


def test_pictures_are_shown_small_and_only_as_they_were(shown):
    import httpx

    with running(Settings(root=shown)) as address, httpx.Client(base_url=address, timeout=30) as client:
        hits = client.post("/v1/search", json={"query": "a red square", "filter": {"licence": ["CC0-1.0"]}}).json()[
            "hits"
        ]
        assert {hit["picture"] for hit in hits} == {True}
        assert hits[0]["columns"] == {"source": "tiny", "split": "train", "licence": "CC0-1.0"}
        answer = client.get("/v1/pictures/key-red?side=100")
        assert answer.headers["content-type"] == "image/webp"
        image = Image.open(io.BytesIO(answer.content))
        assert image.size == (160, 160)  # the next size that there is
        assert (
            max(
                abs(ours - its)
                for ours, its in zip(image.convert("RGB").getpixel((80, 80)), COLOURS["red"], strict=True)
            )
            < 8
        )
        assert client.get("/v1/pictures/key-red?side=9999").status_code == 200
        raw = shown / "data/raw"
        raw.rename(shown / "data/before")
        raw.mkdir()  # as after a takedown
        gone = client.get("/v1/pictures/key-red?side=100")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "picture_gone"), "not from what was kept"
        raw.rmdir()
        (shown / "data/before").rename(raw)
        assert client.get("/v1/pictures/key-red?side=100").status_code == 200
        changed = client.get("/v1/pictures/key-blue")
        assert (changed.status_code, changed.json()["error"]["code"]) == (404, "picture_gone")
        token = add_key(shown, "anna")
        time.sleep(0.6)
        assert client.get("/v1/pictures/key-red").status_code == 401
        assert client.get("/v1/pictures/key-red", headers={"x-api-key": token}).status_code == 200
        keys_file(shown).unlink()


def test_what_a_browser_has_kept_is_asked_for_each_time_and_sent_again_only_where_it_is_another(shown):
    import httpx

    with running(by_server(shown)) as address, httpx.Client(base_url=address, timeout=30) as client:
        red, larger, green = (client.get(f"/v1/pictures/key-{which}") for which in ("red", "red?side=320", "green"))
        tag = red.headers["etag"]
        assert red.headers["cache-control"] == "private, no-cache"
        assert len({tag, larger.headers["etag"], green.headers["etag"]}) == 3

        def kept(what: str, key: str = "key-red") -> httpx.Response:
            return client.get(f"/v1/pictures/{key}", headers={"if-none-match": what})

        for what in (tag, f'"other", W/{tag}'):
            same = kept(what)
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        for other in (kept(tag, "key-green"), kept('"other"'), kept("")):
            assert (other.status_code, other.headers["content-type"]) == (200, "image/webp")
        raw = shown / "data/raw"
        raw.rename(shown / "data/before")  # as after a takedown
        assert kept(tag).status_code == 404
        (shown / "data/before").rename(raw)


def test_a_picture_that_one_version_cannot_show_is_shown_by_the_other(tmp_path):
    """The champion was deployed when the data had not green, and another blue."""
    import httpx

    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    lay(tmp_path, ["blue", "red"])
    try:
        deploy(make_package(tmp_path / "first"), tmp_path, "tiny@1")
        lay(tmp_path, COLOURS, changed=["red"])
        deploy_beside(make_package(tmp_path / "second", seed=1), tmp_path, "tiny@2", share=1e-9)  # asked second
        with running(by_server(tmp_path)) as address, httpx.Client(base_url=address, timeout=30) as client:

            def said(key: str, model: str = "") -> tuple[int, str | None]:
                answer = client.get(f"/v1/pictures/{key}", params={"model": model})
                return answer.status_code, answer.json()["error"]["code"] if answer.status_code != 200 else None

            for key, alone in (("key-green", "no_picture"), ("key-blue", "picture_gone")):
                assert said(key, "tiny@1") == (404, alone)
                assert said(key, "tiny@2") == said(key) == (200, None)
            assert said("key-red") == (404, "picture_gone")
    finally:
        down(tmp_path)
