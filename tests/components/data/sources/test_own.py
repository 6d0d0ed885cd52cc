"""What a folder and a table share: splits that stay, keys, quarantine of what is no pair, and which a path is."""

import inspect
import os
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.contracts.source import Unsplit
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources import build_source
from components.data.sources.catalogue import load_class, read_catalogue
from components.data.sources.folder import FolderSource
from components.data.sources.record import key_from
from components.data.sources.table import PairTable
from components.data.sources.which import describe_path
from components.validation.validate import validate
from tests.own_pictures import paint, write_table, write_texts


def split_of(folder, seed=0):
    return {sample.texts[0].text: sample.split for sample in FolderSource(str(folder)).samples(seed, silent)}


def test_the_seed_decides_the_splits_and_names_do_not(own):
    folder, said = own
    write_texts(folder, said)
    before = split_of(folder)
    assert before == split_of(folder)
    assert before != split_of(folder, seed=1)
    for path in folder.iterdir():
        path.rename(path.with_name(f"renamed-{path.name}"))
    assert split_of(folder) == before


def test_copies_of_a_picture_stay_in_one_split(own):
    folder, said = own
    for name in said:
        shutil.copy(folder / name, folder / f"copy-{name}")
    write_texts(
        folder, said | {f"copy-{name}": (f"copy of {caption}", shape) for name, (caption, shape) in said.items()}
    )
    splits = split_of(folder)
    assert all(splits[f"copy of {caption}"] == splits[caption] for caption, _ in said.values())


@pytest.mark.parametrize("count", [6, 7, 20, 60])
def test_small_sets_have_something_in_every_split(tmp_path, count):
    write_texts(tmp_path / "own", paint(tmp_path / "own", count))
    found = list(split_of(tmp_path / "own").values())
    assert {split: found.count(split) for split in ("val", "pair")} == dict.fromkeys(
        ("val", "pair"), max(2, round(count / 10), min(5, count // 5))
    )
    assert found.count("train") >= 2


def test_what_is_no_pair_is_in_quarantine_with_its_reason_and_on_the_page(own, tmp_path):
    folder, said = own
    write_table(folder / "captions.csv", said)
    (folder / "0001.png").write_bytes(b"<html>404</html>")
    (folder / "0002.png").write_bytes(b"")
    Image.new("RGB", (5001, 5000)).save(folder / "0003.png")
    with (folder / "captions.csv").open("a") as table:
        table.write("missing.png,a ghost\n")
    text = (folder / "captions.csv").read_text().replace("a red circle at the right", "")
    (folder / "captions.csv").write_text(text)
    came_in = ingest(PairTable(str(folder)), tmp_path / "raw", 0)
    report = validate(
        tmp_path / "raw", tmp_path / "v", tmp_path / "e", max_broken=0.5, seed=0, failed_report=tmp_path / "f"
    )
    reasons = {
        row["key"].rpartition("-")[0] or row["key"]: row["reason"]
        for row in pq.read_table(tmp_path / "v/quarantine.parquet").to_pylist()
    }
    assert reasons == {
        "0001": "not_an_image", "0002.png": "zero_bytes", "0003": "bomb", "missing.png": "no_picture", "0030": "no_caption",
    }  # fmt: skip
    assert report["rows_in"] == 61 == report["clean"] + report["pools"] + report["quarantined"]
    assert came_in["source"]["without"].items() <= report["without"].items()
    page = (tmp_path / "v/report.html").read_text()
    assert "records that did not come in" in page
    assert "missing.png (there is no such file)" in page
    for split in ("designer", "concept", "both"):
        assert len(read_manifest(tmp_path / f"e/{split}/manifest.parquet")) == 0
        assert split in report["without"]


def test_a_file_that_changes_or_vanishes_while_it_is_read_stops_the_work(own):
    folder, said = own
    write_texts(folder, said)
    for change in (lambda path: path.write_bytes(b"other"), lambda path: path.unlink()):
        coming = FolderSource(str(folder)).samples(0, silent)
        next(coming)
        change(folder / "0030.png")
        with pytest.raises(DataError, match=r"0030\.png changed or vanished.*Nothing is kept.*run again"):
            list(coming)


def test_a_look_holds_nothing_out_and_asks_for_no_captions(own):
    folder, said = own
    (folder / "0001.png").write_bytes(b"")
    came = list(FolderSource(str(folder)).unsplit(silent))
    assert [one.key if isinstance(one, Reject) else one.name for one in came] == list(said)
    assert {one.split for one in came if isinstance(one, Sample)} == {"train"}
    assert isinstance(came[1], Reject)


def test_what_is_described_after_a_look_is_what_a_reading_for_training_describes(own):
    folder, said = own
    write_texts(folder, said)
    looked, read = FolderSource(str(folder)), FolderSource(str(folder))
    pairs = zip(looked.unsplit(silent), read.samples(0, silent), strict=True)
    assert all((one.key, one.texts, one.labels) == (other.key, other.texts, other.labels) for one, other in pairs)
    assert looked.describe() == read.describe()


def test_every_source_of_own_data_can_be_looked_at():
    kinds = [load_class(entry) for entry in read_catalogue().values()]
    own = ["path" in inspect.signature(kind).parameters for kind in kinds]
    assert [issubclass(kind, Unsplit) for kind in kinds] == own


def test_a_file_that_is_too_large_is_not_read(own):
    folder, said = own
    write_texts(folder, said)
    with (folder / "0000.png").open("r+b") as opened:
        opened.truncate(MAX_PICTURE_BYTES + 1)
    without = FolderSource(str(folder)).describe()["without"]
    assert without["records that did not come in"] == "1: 0000.png (64 MiB; at most 64 are read)"


def test_a_file_that_may_not_be_read_is_counted(own):
    folder, said = own
    write_texts(folder, said)
    (folder / "0000.png").chmod(0)
    (folder / "0001.txt").chmod(0)
    code = (
        f"import os\nif os.geteuid() == 0:\n    {LESS_THAN_ROOT}\n"
        "from components.data.sources.folder import FolderSource\n"
        f"print(FolderSource({str(folder)!r}).describe()['without'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "'records that did not come in': '1: 0000.png (Permission denied)'" in ran.stdout, ran.stdout + ran.stderr
    assert "'captions that cannot be read': \"1: 0001.txt" in ran.stdout
    assert "'pictures without a caption': '1: 0001.png'" in ran.stdout


# Root without the power to read what its mode forbids: CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) go.
LESS_THAN_ROOT = (
    "import ctypes; c = ctypes.CDLL(None, use_errno=True); "
    "h = (ctypes.c_uint32 * 2)(0x20080522, 0); d = (ctypes.c_uint32 * 6)(); c.capget(h, d); "
    "d[0] &= ~6; d[1] &= ~6; assert c.capset(h, d) == 0"
)


def test_keys_are_names_that_a_shard_can_hold():
    assert key_from("a/b c.png").startswith("a-b-c-")
    assert key_from("日本.png").startswith("picture-")
    assert key_from("a.png") != key_from("a.jpg")
    assert key_from("a.png", "mine") == "mine"
    assert key_from("a.png", "not a key").startswith("not-a-key-")


def test_a_path_is_a_folder_or_a_table_as_params_yaml_says_it(own, tmp_path, monkeypatch):
    folder, said = own
    monkeypatch.chdir(tmp_path)
    assert describe_path(folder) == {"name": "folder", "path": "own"}
    write_table(folder / "captions.csv", said, "class")
    columns = {"image": "image", "caption": "caption", "label": "class"}
    assert describe_path(folder) == {"name": "table", "path": "own", "columns": columns}
    assert describe_path(folder / "captions.csv") == {
        "name": "table", "path": "own", "table": "captions.csv", "columns": columns,
    }  # fmt: skip
    write_table(tmp_path / "list.csv", {f"own/{name}": pair for name, pair in said.items()})
    assert describe_path(tmp_path / "list.csv") == {
        "name": "table", "path": "list.csv", "columns": {"image": "image", "caption": "caption"},
    }  # fmt: skip
    monkeypatch.chdir("/")
    assert describe_path(folder)["path"] == str(folder).lstrip("/")
    for path in (folder, folder / "captions.csv", tmp_path / "list.csv"):
        assert len(list(build_source(describe_path(path)).samples(0, silent))) == 60


def test_a_path_outside_the_workspace_is_absolute(own, tmp_path, monkeypatch):
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "job")
    assert describe_path(own[0]) == {"name": "folder", "path": str(own[0])}


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda path: None, DataError, r"does not exist\. Give source\.path in params\.yaml, or `diptych run --data`"),
        (lambda path: path.write_text("text"), DataError, r"is neither a folder nor a table \(\.csv"),
        (lambda path: (path.mkdir(), (path / "captions.csv").write_text("a,b\n")), ConfigError, "Its columns are a, b"),
    ],
)
def test_a_path_that_is_none_of_these_is_refused(tmp_path, make, error, says):
    make(tmp_path / "mine")
    with pytest.raises(error, match=says):
        describe_path(tmp_path / "mine")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda folder: os.mkfifo(folder / "pipe.png"),
            r"links to nothing, pipes and the like \(1: pipe\.png\), and DVC",
        ),
        (lambda folder: (folder / "a.png").symlink_to(folder / "a.png"), r"links to nothing.*a\.png"),
    ],
)
def test_what_would_stop_dvc_is_told_before_it_does(own, spoil, says):
    write_texts(*own)
    spoil(own[0])
    with pytest.raises(DataError, match=says):
        describe_path(own[0])


def test_no_torch_is_imported_for_a_look_at_a_path():
    code = "import sys, components.data.sources.which; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("languages", ["en", [], ["en", "en"], [1], ["e n"]])
def test_languages_are_a_list_of_different_codes(languages):
    for name in ("folder", "table"):
        with pytest.raises(ConfigError, match="list of different codes"):
            build_source({"name": name, "languages": languages})
