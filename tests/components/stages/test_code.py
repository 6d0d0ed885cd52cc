"""Stage code: one file a stage, of what it imports; an edit is in the files of those that import it, and can be named."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError
from components.stages.code import (
    FOLDER,
    GONE,
    LISTS,
    code_then,
    codes,
    edits,
    files_of,
    has_code,
    keep_code,
    md5_of,
    write_code,
)  # fmt: skip
from tests.workspace import REPOSITORY, environment


@pytest.fixture
def root(tmp_path) -> Path:
    """A workspace of two stages, of three files."""
    (tmp_path / "components/stages").mkdir(parents=True)
    for name in "abc":
        (tmp_path / f"components/{name}.py").write_text(name)
    (tmp_path / LISTS).write_text(
        "one:\n- components/a.py\n- components/b.py\ntwo:\n- components/b.py\n- components/c.py\n"
    )
    return tmp_path


def said(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (root / FOLDER).iterdir()}


def test_each_stage_has_a_file_with_the_digests_of_its_own_files_as_sha256sum_checks_them(root):
    assert write_code(root)
    assert said(root) == codes(root)
    assert set(said(root)) == {"one", "two"}
    for stage, text in said(root).items():
        assert text == "".join(
            f"{hashlib.sha256((root / path).read_bytes()).hexdigest()}  {path}\n" for path in files_of(root)[stage]
        )
        checked = subprocess.run(["sha256sum", "--check", "--quiet", root / FOLDER / stage], cwd=root)
        assert checked.returncode == 0


def test_an_edit_is_in_the_files_of_the_stages_that_import_it_and_no_other_is_written(root):
    write_code(root)
    assert not write_code(root)
    before = {path.name: path.stat().st_ino for path in (root / FOLDER).iterdir()}
    (root / "components/c.py").write_text("other")
    assert write_code(root)
    after = {path.name: path.stat().st_ino for path in (root / FOLDER).iterdir()}
    assert after["one"] == before["one"]
    assert after["two"] != before["two"]
    assert not list((root / ".diptych/tmp").iterdir())


def test_files_of_stages_that_are_no_more_go(root):
    write_code(root)
    (root / LISTS).write_text("two:\n- components/b.py\n- components/c.py\n")
    assert write_code(root), "what is there is another"
    assert set(said(root)) == {"two"}


def test_edits_are_named(root):
    write_code(root)
    before = said(root)["two"]
    assert list(edits(before, before)) == []
    (root / "components/b.py").write_text("other")
    (root / "components/c.py").unlink()
    with (root / LISTS).open("a") as file:
        file.write("- components/a.py\n")
    write_code(root)
    now = said(root)["two"]
    assert f"{GONE}  components/c.py\n" in now
    assert list(edits(before, now)) == [
        "components/a.py: imported now", "components/b.py: modified", "components/c.py: deleted",
    ]  # fmt: skip
    assert list(edits(now, before)) == [
        "components/a.py: no longer imported", "components/b.py: modified", "components/c.py: modified",
    ]  # fmt: skip


def test_what_a_stage_ran_with_is_known_where_dvc_says_that_it_is_that(root):
    text = codes(root)["one"]
    assert code_then(root, "one@clip", md5_of(text)) is None
    keep_code(root, "one@clip", text)
    assert code_then(root, "one@clip", hashlib.md5(text.encode()).hexdigest()) == text
    assert code_then(root, "one@clip", "0" * 32) is None
    assert code_then(root, "one@clip", None) is None


@pytest.mark.parametrize("wrong", ["one: [", "", "[]", "one: 1", None])
def test_lists_that_cannot_be_read_are_said(root, wrong):
    (root / LISTS).unlink()
    if wrong is not None:
        (root / LISTS).write_text(wrong)
    with pytest.raises(
        ConfigError, match=r"code\.yaml cannot be read .* by git, then: python -m infra\.stage_code --write"
    ):
        write_code(root)


def test_as_a_command_a_fault_is_one_sentence(root):
    (root / "build").write_text("in the way of a folder")
    for says in ("build", LISTS):
        ran = subprocess.run(
            [sys.executable, "-m", "components.stages.code"], cwd=root, capture_output=True, text=True, env=environment(PYTHONPATH=str(REPOSITORY)),
        )  # fmt: skip
        assert ran.returncode == 1
        assert ran.stderr.startswith("code: ")
        assert says in ran.stderr
        assert "Traceback" not in ran.stderr
        (root / LISTS).unlink(missing_ok=True)


@pytest.mark.parametrize("said", ["stages: {code: {}}", "stages: {a: {}}", "stages:", "", "stages: ["])
def test_whether_a_workspace_has_its_code_so_is_in_its_dvc_yaml(root, said):
    (root / "dvc.yaml").write_text(said)
    assert has_code(root) == ("code" in said)


def test_as_a_command_it_writes_what_the_lists_say_of_the_real_stages(tmp_path):
    shutil.copytree(REPOSITORY / "components", tmp_path / "components", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    command = ["infra/python", "-m", "components.stages.code"]
    assert subprocess.run(command, cwd=tmp_path, env=environment()).returncode == 0
    assert set(said(tmp_path)) == {"ingest", "validate", "curate", "pretrain", "finetune", "evaluate", "package"}
    assert "  components/objectives/softmax.py\n" in said(tmp_path)["pretrain"]
    assert "  components/objectives/softmax.py\n" not in said(tmp_path)["evaluate"]
