"""What production images install: pinned, hashed, of no index in particular, and what pyproject.toml asks for."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.locks import IMAGES, LOCKED, LOCKS, Pin, check, faults, read

REPOSITORY = Path(__file__).parents[2]
HASH = "0" * 64


def test_the_locks_are_what_is_asked_for():
    assert check(REPOSITORY) == []


def test_both_environments_are_alike_but_for_torch_and_its_cuda():
    cpu, cuda = (read((REPOSITORY / LOCKS / f"{name}.txt").read_text()) for name in ("cpu", "cuda"))
    differ = {name for name in {*cpu, *cuda} if cpu.get(name) != cuda.get(name)}
    assert {"torch", "torchvision"} <= differ
    assert all(re.match(r"torch|nvidia-|triton$|cuda-", name) for name in differ), differ
    assert cpu["torch"].version.removesuffix("+cpu") == cuda["torch"].version


def test_a_checkout_has_what_the_images_have():
    cuda, here = (read((REPOSITORY / LOCKS / f"{name}.txt").read_text()) for name in ("cuda", "setup"))
    assert {name: pin for name, pin in cuda.items() if here.get(name, pin) != pin} == {}
    assert "pytest" in here and "pytest" not in cuda  # noqa: PT018


@pytest.mark.parametrize("name", LOCKED)
def test_no_index_or_place_of_this_machine_is_named(name):
    lines = (REPOSITORY / LOCKS / f"{name}.txt").read_text().splitlines()
    assert len(lines) > 4
    assert [line for line in lines if not line.startswith("#") and ("/" in line or "@" in line)] == []
    assert not any("://" in line for line in lines)


@pytest.mark.parametrize("line", [
    "a==1", f"a>=1 --hash=sha256:{HASH}", "a==1 --hash=sha256:0", f"a @ https://x/a.whl --hash=sha256:{HASH}", "--index-url https://x", f"A==1 --hash=sha256:{HASH}",
])  # fmt: skip
def test_a_line_without_version_or_hash_or_from_somewhere_is_refused(line):
    with pytest.raises(ValueError, match="is no pin with one hash"):
        read(f"b==1 --hash=sha256:{HASH}\n{line}\n")


def test_what_is_missing_or_pinned_elsewhere_is_said_also_of_what_others_need():
    pins = {name: Pin(version="1.0", sha256=HASH) for name in ("a", "b")}
    needs = {"a": [Requirement("b>=1"), Requirement("c")], "a[more]": [Requirement("d")], "b": [Requirement("a")]}
    assert list(faults([Requirement("a<2")], pins, {"a": needs["a"][:1], "b": needs["b"]})) == []
    assert list(faults([Requirement("a>=2"), Requirement("e")], pins, {})) == [
        "e, which we need, is not pinned", "a is pinned to 1.0, and we need >=2",
    ]  # fmt: skip
    assert sorted(faults([Requirement("a[more]")], pins, needs)) == [
        "c, which a needs, is not pinned", "d, which a needs, is not pinned",
    ]  # fmt: skip


def test_the_images_install_them_and_nothing_else_of_an_index():
    text = (REPOSITORY / "infra/Dockerfile").read_text()
    installs = re.findall(r"pip install [^&]+", text.replace("\\\n", " "))
    assert installs
    assert {name for name in IMAGES if any(f"{name}.txt" in one for one in installs)} == {*IMAGES}
    for one in installs:
        assert "--require-hashes" in one or "--no-index" in one or one.rstrip().endswith("--editable ."), one
        assert "--no-deps" in one, one
