"""Spans of video: each is a sample with the frame in its middle, and each that can be none is a row that says why."""

import json
import random
import re
import shutil
from fractions import Fraction

import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample, Span
from components.data.beside import read_kind
from components.data.ingest import ingest
from components.data.sources import build_source
from components.data.sources.video_spans import VideoSpans
from components.data.sources.which import describe_path
from components.data.spans import SPANS, frames_between
from tests.own_pictures import paint, write_clips, write_spans


@pytest.fixture
def made(tmp_path):
    """A folder with 6 clips of 10 frames at 2 a second, of each one span, from second 1 to 4."""
    folder = tmp_path / "clips"
    rows = write_clips(folder, paint(folder, 6), frames=10)
    for picture in folder.glob("*.png"):
        picture.unlink()
    rows = [row | {"t0": 1, "t1": 4} for row in rows]
    write_spans(folder, rows)
    return folder, rows


def came(folder, **settings):
    return list(VideoSpans(str(folder), **settings).samples(0, silent))


def test_a_span_is_a_sample_with_its_key_frame_and_stays_with_its_clip(made):
    folder, rows = made
    write_spans(folder, [*rows, rows[0] | {"t0": 4, "t1": 5, "text": "the end"}])
    found = came(folder)
    assert found[0].span == Span(
        clip="clip00", t0_s=1.0, t1_s=4.0, fps=2.0, first=2, frames=6, key_frame=5, clip_frames=10
    )
    assert found[0].media[0].data == (folder / "clip00/000006.png").read_bytes()
    assert [text.text for text in found[1].texts] == ["the end"]
    assert found[0].split == found[1].split
    assert len({sample.key for sample in found}) == 7
    assert found[0].name == "clip00/1.0-4.0.png"


@pytest.mark.parametrize(
    ("t0", "t1", "fps", "frames"),
    [
        (0, 1, 25, range(25)),
        (0.3, 0.6, 10, range(3, 6)),  # 0.3 * 10 is less than 3 by a hair
        (0.31, 0.35, 10, range(3, 4)),
        (9.5, 10.05, 10, range(95, 100)),
        (0, 1 / 30, 29.97, range(1)),
    ],
)
def test_frames_are_those_seen_between_two_times(t0, t1, fps, frames):
    assert frames_between(t0, t1, fps, clip_frames=100) == frames


@pytest.mark.parametrize("seed", range(3))
def test_frames_are_those_of_which_some_time_lies_in_the_span(seed):
    draws = random.Random(seed)
    for _ in range(300):
        fps, count = Fraction(draws.choice([24000, 25000, 29970, 30000, 2000]), 1000), draws.randint(1, 80)
        t0, t1 = sorted(Fraction(draws.randint(0, 4000), 1000) for _ in range(2))
        shown = [n for n in range(count) if n / fps < t1 and (n + 1) / fps > t0]
        if t0 < t1:
            assert list(frames_between(float(t0), float(t1), float(fps), count)) == shown


@pytest.mark.parametrize(
    ("wrong", "reason", "says"),
    [
        ({"t0": 4, "t1": 1}, "span_reversed", "begins at 4 s and ends at 1 s"),
        ({"t0": 4, "t1": 4}, "span_reversed", "begins at 4 s and ends at 4 s"),
        ({"t0": -1}, "span_beyond", "begins at -1 s"),
        ({"t1": 5.6}, "span_beyond", "from 1 s to 5.6 s; its clip has 10 frames and so ends at 5 s"),
        ({"t0": 5, "t1": 5.4}, "span_beyond", "ends at 5 s"),
        ({"t1": "soon"}, "bad_span", "t1 is 'soon'; seconds"),
        ({"t0": ""}, "bad_span", "t0 is ''"),
        ({"t1": "nan"}, "bad_span", "t1 is 'nan'"),
        ({"fps": 0}, "bad_span", "fps is '0'"),
        ({"t0": 0, "fps": ""}, "bad_span", "neither the row nor source.fps"),
        ({"clip": ""}, "bad_span", "the clip is empty"),
        ({"clip": "clip99"}, "missing_frame", "no folder 'clip99' with numbered pictures"),
        ({"clip": "../elsewhere"}, "path_escape", "leads out of"),
        ({"clip": "/etc"}, "path_escape", "leads out of"),
    ],
)
def test_a_span_that_can_be_none_is_a_row_with_its_reason_and_the_others_come_in(made, wrong, reason, says):
    folder, rows = made
    shutil.copytree(folder / "clip00", folder.parent / "elsewhere")
    write_spans(folder, [*rows, rows[1] | wrong])
    found = came(folder)
    (reject,) = (one for one in found if isinstance(one, Reject))
    assert (reject.key, reject.reason) == ("spans.csv, line 8", reason)
    assert re.search(says, reject.detail)
    assert sum(isinstance(one, Sample) for one in found) == 6


@pytest.mark.parametrize(
    ("gone", "says"),
    [([6], "of its 6 frames these are missing: 6"), ([3, 4, 5, 7], "missing: 3, 4, 5 and 1 more"), ([1, 9], None)],
)
def test_a_frame_that_is_missing_in_a_span_is_noticed_and_one_outside_is_not(made, gone, says):
    folder, rows = made
    write_spans(folder, [*rows, rows[0] | {"clip": "spoilt"}])
    shutil.copytree(folder / "clip00", folder / "spoilt")
    for number in gone:
        (folder / f"spoilt/{number:06d}.png").unlink()
    rejects = [one for one in came(folder) if isinstance(one, Reject)]
    assert [one.reason for one in rejects] == ["missing_frame"] * bool(says)
    assert all(says in one.detail for one in rejects)


def test_frames_may_be_counted_from_0_and_named_as_one_likes(made):
    folder, _ = made
    before = came(folder)[0]
    for path in sorted((folder / "clip00").iterdir()):
        path.rename(path.with_name(f"shot_{int(path.stem) - 1}.png"))
    (folder / "clip00/notes.txt").write_text("no frame")
    (folder / "clip00/cover.png").write_bytes(b"no number")
    after = came(folder)[0]
    assert (after.span, after.media[0].data) == (before.span, before.media[0].data)


def test_overlap_is_refused_where_it_is_said_and_what_ends_as_another_begins_is_none(made):
    folder, rows = made
    write_spans(folder, [rows[0] | {"t0": 3, "t1": 5}, *rows, rows[0] | {"t0": 4, "t1": 5}])
    assert not any(isinstance(one, Reject) for one in came(folder))
    (reject,) = (one for one in came(folder, overlap="refused") if isinstance(one, Reject))
    assert (reject.key, reject.reason) == ("spans.csv, line 2", "span_overlap")
    assert reject.detail == "it begins at 3 s, one before it ends at 4 s"
    assert VideoSpans(str(folder), overlap="refused").describe()["overlap"] == "refused"


def test_rows_of_the_same_times_are_one_span_of_which_each_says_something(made):
    folder, rows = made
    rows = [row | {"lang": "en", "consent": "yes"} for row in rows]
    write_spans(folder, [*rows, rows[0] | {"text": "ein Kreis", "lang": "de", "consent": "no"}, rows[0]])
    first, *others = came(folder)
    assert [(text.text, text.lang) for text in first.texts] == [(rows[0]["text"], "en"), ("ein Kreis", "de")]
    assert first.flags["consent"] == ("yes", "no")  # a no outweighs
    assert len(others) == 5


def test_ingest_keeps_spans_beside_the_manifest_and_counts_them(made, tmp_path):
    folder, rows = made
    write_spans(folder, [*rows, rows[2] | {"t0": 0, "t1": 2}, rows[0] | {"t0": 9, "t1": 12}])
    came_in = ingest(VideoSpans(str(folder)), tmp_path / "raw", 0)
    assert came_in["spans"] == {"clips": 6, "spans": 7}
    assert came_in["rejected"] == {"span_beyond": 1}
    assert json.loads((tmp_path / "raw/source.json").read_text()) == came_in
    kept = read_kind(tmp_path / "raw", SPANS).to_pylist()
    assert [(row["clip"], row["t0_s"], row["frames"]) for row in kept[2:4]] == [("clip02", 0.0, 4), ("clip02", 1.0, 6)]


@pytest.mark.parametrize("suffix", ["tsv", "jsonl"])
def test_a_folder_of_clips_is_known_by_its_table(made, suffix):
    folder, rows = made
    (folder / "spans.csv").unlink()
    names = {"clip": "video", "t0": "start", "t1": "end", "text": "sentence", "fps": "fps"}
    rows = [{names[key]: value for key, value in row.items()} for row in rows]
    lines = [json.dumps(row) for row in rows]
    if suffix == "tsv":
        lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
    (folder / f"spans.{suffix}").write_text("\n".join(lines))
    source = describe_path(folder)
    assert source == {"name": "video_spans", "path": str(folder)}
    assert len(list(build_source(source).samples(0, silent))) == 6


def test_what_cannot_be_meant_is_refused_with_what_to_write(made):
    folder, rows = made
    with pytest.raises(ConfigError, match=r"source\.overlap is 'no'.*allowed or refused"):
        came(folder, overlap="no")
    with pytest.raises(ConfigError, match=r"source\.fps is 0\..*such as 25"):
        came(folder, fps=0)
    with pytest.raises(DataError, match=r"has no table other\.csv"):
        came(folder, table="other.csv")
    (folder / "spans.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"spans\.csv and spans\.jsonl"):
        came(folder)
    (folder / "spans.jsonl").unlink()
    write_spans(folder, [{"clip" if key == "clip" else key.upper() + "x": value for key, value in rows[0].items()}])
    with pytest.raises(ConfigError, match=r"which column of spans\.csv holds t0\? None is called so"):
        came(folder)
