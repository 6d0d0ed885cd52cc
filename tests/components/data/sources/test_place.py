"""Data of every kind that lies elsewhere, in a bucket of a real S3 server or over http: read as if it lay here."""

import json
import os
import shutil
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.alone import alone
from components.data.ingest import ingest
from components.data.remote.laid_out import LaidOut, can_be_laid_out, sweep
from components.data.remote.store import MAX_AGE_S
from components.data.sources import build_source
from components.data.sources.coco import CocoJson
from components.data.sources.folder import FolderSource
from components.data.sources.huggingface import HuggingFaceFolder
from components.data.sources.place import OTHERS
from components.data.sources.which import describe_path
from components.data.sources.which_url import describe_url
from tests.own_pictures import paint, write_clips, write_coco, write_table, write_texts
from tests.web_server import Web, serving

GOLDEN = Path(__file__).parents[3] / "golden/huggingface"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))


def kept(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def make(kind: str, folder: Path) -> None:
    """Write data of a kind into a folder, as people have it."""
    if kind == "huggingface":
        shutil.copytree(GOLDEN / "disk", folder)
        return
    if kind == "video_spans":
        write_clips(folder, paint(folder, 6, side=16))
        return
    said = paint(folder / ("val2017" if kind == "coco" else "pictures"), 8, side=16)
    named = {f"pictures/{name}": pair for name, pair in said.items()}
    if kind == "folder":
        write_texts(folder, named)
        (folder / "notes.csv").write_text("a,b\n")
        (folder / ".thumbs").mkdir()
        (folder / ".thumbs/0.png").write_bytes(b"x")
    elif kind == "table":
        write_table(folder / "captions.csv", named)
    elif kind == "coco":
        write_coco(folder / "annotations/captions_val2017.json", said)
    else:
        rows = [{"texts": [None, said], "images": [name, None]} for name, (said, _) in named.items()]
        (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, rows)))


def put(bucket, folder: Path, below: str) -> str:
    client, name = bucket
    for path in folder.rglob("*"):
        if path.is_file():
            client.put_object(Bucket=name, Key=f"{below}/{path.relative_to(folder)}", Body=path.read_bytes())
    return f"s3://{name}/{below}"


@pytest.mark.parametrize("kind", ["folder", "table", "coco", "huggingface", "interleaved_docs", "video_spans"])
def test_what_lies_in_a_bucket_is_known_and_comes_in_as_if_it_lay_here(kind, bucket, tmp_path):
    make(kind, tmp_path / "here")
    url = put(bucket, tmp_path / "here", "data/mine")
    local, said = describe_path(tmp_path / "here"), describe_url(url)
    known = {key: value for key, value in local.items() if key != "path"}
    assert said == {**known, "name": kind, "url": url, "version": said["version"]}
    here = ingest(build_source(local), tmp_path / "a", 0)
    came = ingest(source := build_source(said), tmp_path / "b", 0)
    assert came["digest"] == here["digest"]
    assert came["samples"] == here["samples"] > 5
    info = {OTHERS: "2: test/dataset_info.json, train/dataset_info.json"} if kind == "huggingface" else {}
    assert came["source"]["without"] == here["source"]["without"] | info, "what stayed there is told of, too"
    assert came["source"]["remote"]["version"] == said["version"]
    assert not kept(tmp_path)
    assert len(list(source.unsplit(silent))) == came["rows_in"], "again, fetched again"


@pytest.mark.parametrize("kind", ["table", "coco"])
def test_only_pictures_that_are_named_are_fetched_and_the_others_are_counted_as_here(
    kind, bucket, proxy, tmp_path, monkeypatch
):
    make(kind, tmp_path / "here")
    folder = tmp_path / "here" / ("val2017" if kind == "coco" else "pictures")
    for number in range(3):
        shutil.copy(folder / "0000.png", folder / f"more{number}.png")
    url = put(bucket, tmp_path / "here", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    proxy.fault, proxy.asked = None, []
    source = build_source({"name": kind, "url": url})
    assert len(list(source.unsplit(silent))) == 8
    assert sum(path.endswith(".png") for path in proxy.asked) == 8
    here = build_source({"name": kind, "path": str(tmp_path / "here")})
    assert source.describe()["without"] == here.describe()["without"]


def test_another_version_of_a_folder_is_refused(bucket, tmp_path):
    make("folder", tmp_path / "here")
    url = put(bucket, tmp_path / "here", "mine")
    said = describe_url(url)
    client, name = bucket
    client.put_object(Bucket=name, Key="mine/pictures/0000.txt", Body=b"another caption")
    with pytest.raises(DataError, match=rf"{url} is version \w+ now, and source\.version .*is {said['version']}"):
        list(build_source(said).samples(0, silent))


def test_names_that_no_disk_has_stay_there_and_are_counted(bucket, tmp_path):
    make("folder", tmp_path / "here")
    url = put(bucket, tmp_path / "here", "mine")
    client, name = bucket
    client.put_object(Bucket=name, Key="mine/pictures/0000.png/inside.png", Body=b"x")
    source = FolderSource(url=url)
    found = list(source.unsplit(silent))
    names = {one.member if isinstance(one, Reject) else one.name for one in found}
    assert "pictures/0000.png" not in names, "a folder has its name"
    assert "pictures/0000.png/inside.png" in names
    told = source.describe()["without"]["names that no file of this disk can have"]
    assert told == "1: pictures/0000.png"


@pytest.mark.parametrize(
    ("name", "can"),
    [("a/b.png", True), ("ä b?#.png", True), ("a//b", False), ("../a", False), ("a/./b", False), ("/a", False), ("a\0", False),
     ("ä" * 127, True), ("ä" * 128, False)],
)  # fmt: skip
def test_a_name_stays_in_its_folder_and_fits_the_disk(name, can):
    assert can_be_laid_out(name) == can


def test_errors_and_rows_name_where_data_lies_and_not_where_it_is_kept_meanwhile(bucket, tmp_path):
    client, name = bucket
    client.put_object(Bucket=name, Key="mine/words.txt", Body=b"x")
    with pytest.raises(DataError, match=rf"^s3://{name}/mine holds no picture"):
        list(FolderSource(url=f"s3://{name}/mine").samples(0, silent))
    with pytest.raises(DataError, match=rf"^s3://{name}/mine has no object whose name ends in .*\.json below it"):
        list(CocoJson(url=f"s3://{name}/mine").samples(0, silent))
    said = paint(tmp_path / "coco/val2017", 8, side=16)
    whole = write_coco(tmp_path / "coco/captions_val2017.json", said)
    whole["images"].append({"id": 99, "file_name": "../../0000.png"})
    (tmp_path / "coco/captions_val2017.json").write_text(json.dumps(whole))
    url = put(bucket, tmp_path / "coco", "coco")
    [escape] = [one for one in CocoJson(url=url).unsplit(silent) if isinstance(one, Reject)]
    assert (escape.reason, escape.detail) == ("path_escape", f"it leads out of {url}/val2017")


@pytest.fixture
def web(tmp_path):
    said = paint(tmp_path / "web/val2017", 8, side=16)
    files = {f"/val2017/{name}": (tmp_path / "web/val2017" / name).read_bytes() for name in said}
    write_table(tmp_path / "list.csv", {f"/val2017/{name}": pair for name, pair in said.items()})
    for file in (GOLDEN / "hub/data").iterdir():
        files[f"/rows/{file.name}"] = file.read_bytes()
    with serving(Web(files)) as web:
        whole = write_coco(tmp_path / "captions.json", said)
        files["/base.json"] = json.dumps(whole).encode()
        for image in whole["images"]:
            image["coco_url"] = web.url(f"/val2017/{image['file_name']}")
        whole["images"] += [
            {"id": 98, "file_name": "gone", "coco_url": web.url("/gone.png")},
            {"id": 99, "file_name": "x"},
        ]
        files["/own.json"] = json.dumps(whole).encode()
        text = (tmp_path / "list.csv").read_text()
        files["/list.csv"] = text.replace("/val2017/", web.url("/val2017/")).encode()
        web.files = files
        yield web


def test_a_coco_file_by_its_url_brings_pictures_by_theirs(web, tmp_path):
    said = describe_url(web.url("/own.json"), [web.host])
    assert {key: said[key] for key in ("name", "url")} == {"name": "coco", "url": web.url("/own.json")}
    came = ingest(build_source(said), tmp_path / "raw", 0)
    assert came["samples"] == 8
    assert came["rejected"] == {"fetch_failed": 1, "no_picture": 1}
    assert not kept(tmp_path)


def test_pictures_of_a_coco_file_may_lie_below_one_url(web, tmp_path):
    source = CocoJson(url=web.url("/base.json"), images=web.url("/val2017"), allow_hosts=[web.host])
    assert sum(isinstance(one, Sample) for one in source.samples(0, silent)) == 8
    path = tmp_path / "captions.json"
    here = CocoJson(str(tmp_path), annotations=path.name, images=web.url("/val2017/"), allow_hosts=[web.host])
    assert sum(isinstance(one, Sample) for one in here.samples(0, silent)) == 8
    refused = CocoJson(str(tmp_path), annotations=path.name, images=web.url("/val2017/"))
    assert {one.reason for one in refused.unsplit(silent)} == {"address_refused"}


def test_names_of_a_coco_file_may_have_what_urls_may_not(web, bucket, tmp_path):
    whole = json.loads((tmp_path / "captions.json").read_text())
    client, name = bucket
    for number, image in enumerate(whole["images"]):
        old, image["file_name"] = image["file_name"], f"my cat? #{number} 50%, é.png"
        data = web.files[f"/val2017/{old}"]
        web.files[f"/val2017/my%20cat%3F%20%23{number}%2050%25%2C%20%C3%A9.png"] = data
        client.put_object(Bucket=name, Key=f"val2017/{image['file_name']}", Body=data)
    (tmp_path / "captions.json").write_text(json.dumps(whole))
    for images in (web.url("/val2017"), f"s3://{name}/val2017"):
        allow = [web.host, f"s3://{name}"]
        source = CocoJson(str(tmp_path), annotations="captions.json", images=images, allow_hosts=allow)
        assert sum(isinstance(one, Sample) for one in source.samples(0, silent)) == len(whole["images"])


def test_a_table_and_rows_come_by_their_urls(web, tmp_path):
    said = describe_url(web.url("/list.csv"), [web.host])
    assert said["name"] == "table"
    assert sum(isinstance(one, Sample) for one in build_source(said).samples(0, silent)) == 8
    names = sorted(name for name in web.files if name.startswith("/rows/"))
    said = describe_url(web.url(names[0]), [web.host])
    assert said["name"] == "huggingface"
    both = HuggingFaceFolder(url=[web.url(name) for name in names], allow_hosts=[web.host])
    here = HuggingFaceFolder(str(GOLDEN / "hub"))
    assert [one.media[0].data for one in both.unsplit(silent)] == [one.media[0].data for one in here.unsplit(silent)]


def test_paths_of_a_table_that_lies_elsewhere_are_relative_to_it(web, bucket, tmp_path):
    text = (tmp_path / "list.csv").read_text().replace("/val2017/", "val2017/").splitlines()
    rows = "\n".join([*text, "../up.png,a", "/etc/b.png,b", "gone.png,c"]).encode()
    web.files["/list.csv"] = rows
    found = list(build_source(describe_url(web.url("/list.csv"), [web.host])).unsplit(silent))
    assert sum(isinstance(one, Sample) for one in found) == 8
    rejects = {one.member: one.reason for one in found if isinstance(one, Reject)}
    assert rejects == {"../up.png": "no_picture", "/etc/b.png": "no_picture", web.url("/gone.png"): "fetch_failed"}
    client, name = bucket
    for path in [path for path in web.files if path.startswith("/val2017/")]:
        client.put_object(Bucket=name, Key=f"t{path}", Body=web.files[path])
    client.put_object(Bucket=name, Key="t/list.csv", Body="\n".join(text).encode())
    found = build_source(describe_url(f"s3://{name}/t/list.csv")).samples(0, silent)
    assert sum(isinstance(one, Sample) for one in found) == 8


def test_a_folder_over_http_cannot_be_listed_and_says_so(web):
    with pytest.raises(ConfigError, match=r"folders can be listed at s3:// alone"):
        describe_url(web.url("/val2017/"), [web.host])


def test_a_folder_that_a_killed_process_left_goes_after_a_day_and_one_that_is_held_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "cache/laid-out"
    for name in ("left", "held", "new"):
        (root / name / "below").mkdir(parents=True)
    for name in ("left", "held"):
        os.utime(root / name, (0, 0))
    os.utime(root / "new", (1000, 1000))
    with alone(root / "held"):
        sweep(root, now=lambda: MAX_AGE_S + 500.0)
    assert sorted(path.name for path in root.iterdir()) == ["held", "new"]
    mine = LaidOut()
    os.utime(mine.folder, (0, 0))
    sweep(root)
    assert mine.folder.is_dir()


def test_what_is_laid_out_is_not_written_twice(tmp_path):
    (tmp_path / "kept").write_bytes(b"bytes")
    laid_out = LaidOut()
    laid_out.add("a/b.png", tmp_path / "kept")
    assert (laid_out.folder / "a/b.png").samefile(tmp_path / "kept")
    laid_out.clear()
    assert not list(laid_out.folder.iterdir())
    assert (tmp_path / "kept").read_bytes() == b"bytes"
