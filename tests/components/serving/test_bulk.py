"""Many samples to one file: what a package says of each, whatever stops it on the way."""

import os
import threading
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.serving import bulk
from components.serving.bulk import Given, embed_all
from components.serving.encoders import PackageEncoders
from components.serving.indexes import MODEL, SPACE
from components.serving.package import Package
from tests.components.serving.tiny_package import COLOURS, WIDTH, make_package, picture

WORDS = tuple(COLOURS)


def samples(count: int, broken: int = -1) -> list[Given]:
    return [
        Given(key=f"k{at}", name=f"{at}.png", picture=b"broken" if at == broken else picture(COLOURS[WORDS[at % 3]], 8 + at % 5), text=None if at == 4 else f"a {WORDS[at % 3]}")
        for at in range(count)
    ]  # fmt: skip


@pytest.fixture
def opened(package: Path) -> Package:
    return Package.verify(package)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of eight samples, encoded three at once."""
    monkeypatch.setattr(bulk, "PART", 8)
    monkeypatch.setattr(bulk, "AT_ONCE", 3)


def test_every_sample_has_a_row_with_what_the_package_says(opened, tmp_path, small):
    out = tmp_path / "rows.parquet"
    found = embed_all(samples(21, broken=5), opened, "tiny", out, threads=2)
    table = pq.read_table(out)
    assert (found.rows, found.broken, found.before) == (21, 1, 0)
    assert table["key"].to_pylist() == [f"k{at}" for at in range(21)]
    assert table["name"].to_pylist()[3] == "3.png"
    assert table.schema.metadata[SPACE].decode() == opened.space
    assert table.schema.metadata[MODEL] == b"tiny"
    encoders, rows = PackageEncoders(opened), table.to_pylist()
    for at, sample in enumerate(samples(21)):
        if at != 5:
            assert np.allclose(rows[at]["image_embeds"], encoders.embed_image([sample.picture])[0], atol=1e-5)
        if at != 4:
            assert np.allclose(rows[at]["text_embeds"], encoders.embed_text([sample.text])[0], atol=1e-5)
    assert np.isnan(rows[5]["image_embeds"]).all()
    assert np.isnan(rows[4]["text_embeds"]).all()
    assert rows[4]["text"] is None
    assert "not a picture" in rows[5]["fault"]
    assert [row["fault"] for row in rows[:5]] == [None] * 5
    assert table.schema.field("image_embeds").type.list_size == WIDTH
    assert list(tmp_path.iterdir()) == [out]


class Stopped(Exception):
    pass


def stopping(count: int, after: int):
    for at, sample in enumerate(samples(count)):
        if at == after:
            raise Stopped
        yield sample


def test_what_was_stopped_goes_on_with_what_was_done(opened, tmp_path, small):
    out, whole = tmp_path / "rows.parquet", tmp_path / "whole.parquet"
    with pytest.raises(Stopped):
        embed_all(stopping(30, 20), opened, "tiny", out, threads=2)
    assert not out.exists()
    found = embed_all(samples(30), opened, "tiny", out, threads=2)
    assert (found.rows, found.before) == (30, 16)  # two parts of eight were whole
    embed_all(samples(30), opened, "tiny", whole, threads=1)
    assert out.read_bytes() == whole.read_bytes()


def test_threads_give_way_while_whoever_asked_for_them_does_not_and_each_piece_is_told(opened, tmp_path, small):
    seen: list[int] = []

    class Watched(Given):
        @property
        def sha256(self) -> str:
            seen.append(priority())
            return Given.sha256.fget(self)

    told: list[tuple[int, int]] = []
    watched = [Watched(key=one.key, name=one.name, picture=one.picture, text=one.text) for one in samples(10)]
    ours = priority()
    embed_all(
        watched,
        opened,
        "tiny",
        tmp_path / "rows.parquet",
        2,
        10,
        lambda _, done, total: told.append((done, total)),
        nice=5,
    )
    assert set(seen) == {ours + 5}
    assert priority() == ours
    assert told == [(3, 10), (6, 10), (8, 10), (8, 10), (10, 10), (10, 10)]  # parts of eight, three at once


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_parts_of_other_samples_or_another_model_do_not_count(opened, tmp_path, small):
    out = tmp_path / "rows.parquet"
    with pytest.raises(Stopped):
        embed_all(stopping(30, 20), opened, "tiny", out, threads=2)
    changed = samples(30)
    changed[3] = Given(
        key="k3", name="3.png", picture=changed[4].picture, text=changed[3].text
    )  # same key, other bytes
    other = Package.verify(make_package(tmp_path / "other", seed=1))
    (out.with_name("rows.parquet.parts") / "000001.parquet").write_bytes(b"cut")
    assert embed_all(changed, opened, "tiny", out, threads=2).before == 0
    out.unlink()
    with pytest.raises(Stopped):
        embed_all(stopping(30, 20), opened, "tiny", out, threads=2)
    assert embed_all(samples(30), other, "tiny", out, threads=2).before == 0
    assert pq.read_table(out).schema.metadata[SPACE].decode() == other.space


def test_a_file_that_is_there_and_a_source_without_samples_are_refused(opened, tmp_path):
    out = tmp_path / "rows.parquet"
    with pytest.raises(DataError, match="no sample"):
        embed_all([], opened, "tiny", out, threads=1)
    assert list(tmp_path.iterdir()) == []
    out.write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        embed_all(samples(3), opened, "tiny", out, threads=1)
    assert out.read_text() == "mine"
