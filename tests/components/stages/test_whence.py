"""What a package says of how it was made: choices without places, what was installed, code that no commit has."""

import subprocess

import yaml

from components.stages.whence import choices, environment, uncommitted, whence


def test_choices_are_those_of_params_and_a_place_outside_is_but_a_name(tmp_path):
    said = {
        "source": {"name": "table", "path": "/home/somebody/mine"},
        "recipes": {"clip": {"start": "runs/a/pretrain"}},
        "seed": 3,
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**said, "listed": ["/a/b", 0.5]}))
    assert choices(tmp_path) == {**said, "source": {"name": "table", "path": "mine"}, "listed": ["b", 0.5]}
    assert choices(tmp_path / "nowhere") == {}


def test_the_environment_is_known_by_what_is_installed():
    one = environment()
    assert one == environment()
    assert {"torch", "pyarrow"} < set(one["packages"])
    assert len(one["digest"]) == 64
    assert one["python"].count(".") == 2


def test_code_that_no_commit_has_is_named_and_only_code(tmp_path):
    assert uncommitted(tmp_path) is None, "no repository"
    for name in ("components/a.py", "components/b.py", "params.yaml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("as it was\n")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    assert uncommitted(tmp_path) == []
    for name in ("components/b.py", "components/new file.py", "params.yaml", "notes.txt"):
        (tmp_path / name).write_text("otherwise\n")
    assert uncommitted(tmp_path) == ["components/b.py", "components/new file.py"]
    assert set(whence(tmp_path)) == {"params", "environment", "uncommitted"}
