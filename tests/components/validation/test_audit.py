"""A look at data before anything is made of it: every planted defect is found, nothing else is, and nothing is left behind."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage.data import astronaut

from components.contracts.admit import Admit
from components.contracts.errors import DataError
from components.data.admission import BLURRED, Admitted
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.sources.folder import FolderSource
from components.data.sources.webdataset import WebDatasetSource
from components.data.synthetic.scenes import ScenesSource
from components.validation.asked import Asked
from components.validation.audit import FILES, audit
from components.validation.takedown import read_takedown
from components.validation.validate import validate
from tests.defects import COPIES, NOTHING, plant
from tests.hostile import HOSTILE
from tests.own_pictures import paint, write_texts
from tests.shards import members_of, write_shard

FOUND_AS = {
    "html": "not_an_image", "empty_caption": "no_caption", "email": "pii_text", "phone": "pii_text", "card": "pii_text",
    "exact": "twin_in_train", "reencoded": "near_duplicate", "resized": "near_duplicate",
    "overexposed": "blank", "dark": None, "blurred": None,  # the last two are pictures, and nothing is said of them
}  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "heap"
    return folder, plant(folder, clean=30)


def rows(path: Path) -> list[dict[str, str]]:
    return pq.read_table(path).to_pylist()


def test_every_planted_defect_is_found_and_nothing_else(planted, tmp_path):
    folder, truth = planted
    found = audit(FolderSource(str(folder)), tmp_path / "out")
    said = {row["member"].removesuffix(".txt"): row["reason"] for row in (*found.quarantined, *found.told)}
    expected = {name: FOUND_AS.get(kind, kind) for name, kind in truth.items()}
    by_name = {name: said.get(name, said.get(Path(name).stem)) for name in truth}
    assert by_name == {name: None if reason == NOTHING else reason for name, reason in expected.items()}
    assert found.report["rows_in"] == len(truth) == found.report["clean"] + found.report["quarantined"]
    assert found.captioned


def test_files_say_what_is_returned(planted, tmp_path):
    folder, truth = planted
    found = audit(FolderSource(str(folder)), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    assert rows(tmp_path / "out/quarantine.parquet") == found.quarantined
    assert rows(tmp_path / "out/told.parquet") == found.told
    clean = read_manifest(tmp_path / "out/manifest.parquet").to_pylist()
    assert len(clean) == found.report["clean"]
    lost = {row["member"] for row in found.quarantined}
    assert not lost & {row["shard"] for row in clean}
    assert all((folder / row["shard"]).stat().st_size == row["size_bytes"] for row in clean)
    page = (tmp_path / "out/report.html").read_text()
    assert f"{found.report['clean']} of {len(truth)} pairs are clean" in page
    assert "Nothing was done about these. All of them are in" in page
    assert "gate" not in page.partition("<h2>Checks</h2>")[0]
    assert page.count("data:image/png;base64,") >= len(COPIES) * 2


def test_it_says_of_each_row_what_ingest_and_validation_say(planted, tmp_path):
    """But for the split, and what follows from it."""
    folder, _ = planted
    ingest(FolderSource(str(folder)), tmp_path / "raw", seed=0)
    validate(
        tmp_path / "raw", tmp_path / "v", tmp_path / "e", max_broken=1, seed=0, failed_report=tmp_path / "failed.html"
    )
    found = audit(FolderSource(str(folder)), tmp_path / "out")
    copies = ("duplicate_pixels", "leak_near", "twin_in_train", "near_duplicate")
    for name, its in (("quarantine", found.quarantined), ("told", found.told)):
        there = {(row["key"], row["reason"], row["detail"]) for row in rows(tmp_path / f"v/{name}.parquet")}
        here = {(row["key"], row["reason"], row["detail"]) for row in its}
        assert {one for one in there if one[1] not in copies} == {one for one in here if one[1] not in copies}


def test_pictures_without_any_caption_are_checked_all_the_same(planted, tmp_path):
    folder, _ = planted
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("*.txt"))
    found = audit(FolderSource(str(bare)), tmp_path / "out")
    assert not found.captioned
    assert set(found.report["reasons"]) == {
        "zero_bytes", "not_an_image", "bomb", "truncated", "too_small", "blank",
    }  # fmt: skip
    assert found.report["told"]["no_caption"]["rows"] == found.report["clean"]
    assert {"gps", "aspect", "animated", "twin_in_train", "near_duplicate"} <= set(found.report["told"])
    assert "none has a caption" not in (tmp_path / "out/report.html").read_text()


def test_shards_and_sources_with_splits_are_looked_at_too(tmp_path):
    said = paint(tmp_path / "own", 12)
    members = members_of(tmp_path / "own", said)
    write_shard(tmp_path / "shards/00000.tar", members)
    whole = (tmp_path / "shards/00000.tar").read_bytes()
    (tmp_path / "shards/00001.tar").write_bytes(whole[: len(whole) // 2])
    found = audit(WebDatasetSource(str(tmp_path / "shards")), tmp_path / "out")
    assert {row["member"]: row["reason"] for row in found.quarantined}["00001.tar"] == "shard_truncated"
    assert found.report["clean"] > 12
    drawn = audit(ScenesSource(pictures=60), tmp_path / "scenes")
    assert drawn.report["rows_in"] == 60
    assert drawn.report["pools"] > 0


def test_a_heap_of_which_nothing_can_come_in_has_a_report_too(tmp_path):
    (tmp_path / "heap").mkdir()
    (tmp_path / "heap/a.png").write_bytes(b"")
    found = audit(FolderSource(str(tmp_path / "heap")), tmp_path / "out")
    assert (found.report["rows_in"], found.report["clean"]) == (1, 0)
    assert [row["reason"] for row in rows(tmp_path / "out/quarantine.parquet")] == ["zero_bytes"]


def test_nothing_is_written_over_and_nothing_is_left_by_a_failure(tmp_path):
    write_texts(tmp_path / "own", paint(tmp_path / "own", 6))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    with pytest.raises(DataError, match=r"out is not empty, and nothing is written over.*--out DIR"):
        audit(FolderSource(str(tmp_path / "own")), tmp_path / "out")
    with pytest.raises(DataError, match="mine is a file"):
        audit(FolderSource(str(tmp_path / "own")), tmp_path / "out/mine")
    with pytest.raises(DataError, match="holds no picture"):
        audit(FolderSource(str(tmp_path / "out")), tmp_path / "other")

    def stop(doing: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(FolderSource(str(tmp_path / "own")), tmp_path / "other", stop)
    assert {path.name for path in tmp_path.iterdir()} == {"own", "out"}


def test_nothing_is_copied(tmp_path):
    """What is written is a small part of what was read."""
    folder = tmp_path / "own"
    folder.mkdir()
    for number in range(6):
        Image.effect_noise((900, 700), 60 + number).save(folder / f"{number}.png")
    audit(FolderSource(str(folder)), tmp_path / "out")
    sizes = [sum(path.stat().st_size for path in where.iterdir()) for where in (folder, tmp_path / "out")]
    assert sizes[1] * 20 < sizes[0]


def test_the_same_data_give_the_same_files_whatever_the_processes(planted, tmp_path):
    folder, _ = planted
    for processes in (0, 1, 2, 4):
        audit(FolderSource(str(folder)), tmp_path / str(processes), processes=processes)
    for name in FILES:
        assert len({(tmp_path / str(processes) / name).read_bytes() for processes in (0, 1, 2, 4)}) == 1


def test_pictures_that_harm_their_decoder_are_rows_like_any_other(hostile, tmp_path):
    said = paint(tmp_path / "own", 20)
    write_texts(tmp_path / "own", said)
    harm = {"0003.png": "crash", "0004.png": "exit", "0018.png": "hog"}
    for name, kind in harm.items():
        (tmp_path / "own" / name).write_bytes(HOSTILE[kind])
    found = [audit(FolderSource(str(tmp_path / "own")), tmp_path / str(many), processes=many) for many in (1, 3)]
    assert found[0] == found[1]
    assert {row["member"]: row["reason"] for row in found[0].quarantined} == dict.fromkeys(harm, "undecodable")
    details = {row["member"]: row["detail"] for row in found[0].quarantined}
    assert "ended by SIGSEGV" in details["0003.png"]
    assert "with code 3" in details["0004.png"]
    assert found[0].report["clean"] == 17
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def asking(folder: Path, tmp_path: Path) -> Asked:
    """A heap with licences, consent, health data and a face in it, and what asks of all that."""
    names = sorted(paint(folder, 12))
    for number, name in enumerate(names):
        said = {"caption": f"square {number}", "licence": "CC0-1.0", "consent": "yes"}
        said |= {1: {"licence": "MIT"}, 2: {"consent": "no"}, 3: {"caption": "a scan, MRN: 4829134"}}.get(number, {})
        (folder / name).with_suffix(".json").write_text(json.dumps(said))
    Image.fromarray(astronaut()).save(folder / names[4])
    Image.new("RGB", (300, 20), "teal").save(folder / names[5])
    (tmp_path / "takedown.txt").write_text(hashlib.sha256((folder / names[6]).read_bytes()).hexdigest())
    admit = Admit(licences=("CC0-1.0",), consent="required", health="refused", otherwise="close")
    return Asked(admit=admit, policy={"face": "drop"}, takedown=read_takedown(tmp_path / "takedown.txt"))


def test_what_a_run_would_be_asked_can_be_asked_before(tmp_path):
    folder = tmp_path / "own"
    asked = asking(folder, tmp_path)
    found = audit(FolderSource(str(folder)), tmp_path / "out", asked=asked)
    assert {row["member"][:4]: row["reason"] for row in found.quarantined} == {
        "0001": "licence_refused", "0002": "no_consent", "0003": "health_data", "0004": "face", "0005": "blank", "0006": "takedown",
    }  # fmt: skip
    assert found.report["clean"] == 6
    assert (found.report["broken"], found.captioned) == (1, True)
    source = Admitted(FolderSource(str(folder)), replace(asked.admit, otherwise="drop"))
    ingest(source, tmp_path / "raw", seed=0)
    validate(
        tmp_path / "raw", tmp_path / "v", tmp_path / "e", max_broken=1, seed=0, failed_report=tmp_path / "failed.html",
        policy=asked.policy, takedown=asked.takedown,
    )  # fmt: skip
    there = {(row["key"], row["reason"], row["detail"]) for row in rows(tmp_path / "v/quarantine.parquet")}
    assert there == {(row["key"], row["reason"], row["detail"]) for row in found.quarantined}


@pytest.mark.parametrize(
    ("asked", "told", "quarantined"),
    [
        (Asked(), set(), set()),
        (Asked(policy={"face": "keep"}), {"face"}, set()),
        (Asked(policy={"face": "drop"}), set(), {"face"}),
        (Asked(policy={"face": "drop"}, admit=Admit(faces="blurred")), set(), set()),
    ],
    ids=["nobody asks", "keep", "drop", "blur"],
)
def test_faces_are_kept_dropped_or_blurred_as_is_asked(tmp_path, asked, told, quarantined):
    write_texts(tmp_path / "own", paint(tmp_path / "own", 3))
    Image.fromarray(astronaut()).save(tmp_path / "own/0001.png")
    whole = (tmp_path / "own/0001.png").read_bytes()
    found = audit(FolderSource(str(tmp_path / "own")), tmp_path / "out", asked=asked)
    assert ({row["reason"] for row in found.told}, {row["reason"] for row in found.quarantined}) == (told, quarantined)
    assert found.report["without"].get(BLURRED) == ("1: 0001.png" if asked.admit.faces == "blurred" else None)
    assert (tmp_path / "own/0001.png").read_bytes() == whole


def test_progress_is_told_for_every_picture(tmp_path):
    write_texts(tmp_path / "own", paint(tmp_path / "own", 6))
    told = []
    audit(FolderSource(str(tmp_path / "own")), tmp_path / "out", lambda *what: told.append(what))
    assert told == [
        *(("read pictures", place + 1, 6) for place in range(6)),
        ("check rows", 1, 2),
        ("check rows", 2, 2),
    ]
