"""Checkouts beside one's own: of a commit, with params of their own and the same cache, kept, replaced and given up."""

import subprocess
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import CapabilityError, ConfigError
from flows.proving.leased import commit_of, committed_params, give_up, lease

WHO = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *WHO, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def root(tmp_path) -> Path:
    """A repository with DVC, one module, and params."""
    root = tmp_path / "own"
    (root / "components").mkdir(parents=True)
    (root / "components/a.py").write_text("A = 1\n")
    (root / "params.yaml").write_text("seed: 0\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    git(root, "init", "-q")
    subprocess.run(["git", "-C", str(root), "config", "gc.auto", "0"], check=True)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n    site_cache_dir = .diptych/dvc\n")
    (root / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".gitignore").write_text(".diptych\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_it_is_the_commit_with_other_params_and_the_same_cache(root):
    (root / "components/b.py").write_text("uncommitted, and not seen\n")
    place = lease(root, root / ".diptych/proofs/x/clip-0", commit_of(root), {"seed": 7})
    assert (place / "components/a.py").read_text() == "A = 1\n"
    assert not (place / "components/b.py").exists()
    assert yaml.safe_load((place / "params.yaml").read_text()) == {"seed": 7}
    assert f"dir = {root}/.dvc/cache" in (place / ".dvc/config.local").read_text()
    assert git(root, "status", "--porcelain", "--untracked-files=no") == ""


def test_what_was_run_in_it_is_kept_for_the_same_commit_and_goes_with_another(root):
    folder = root / ".diptych/proofs/x/clip-0"
    place = lease(root, folder, commit_of(root), {"seed": 0})
    (place / "runs").mkdir()
    assert (lease(root, folder, commit_of(root), {"seed": 0}) / "runs").exists()
    (root / "components/a.py").write_text("A = 2\n")
    git(root, "commit", "-q", "-am", "second")
    place = lease(root, folder, commit_of(root), {"seed": 0})
    assert not (place / "runs").exists()
    assert (place / "components/a.py").read_text() == "A = 2\n"


def test_half_of_one_that_a_killed_run_left_is_made_anew(root):
    folder = root / ".diptych/proofs/x/clip-0"
    (folder / "components").mkdir(parents=True)
    assert (lease(root, folder, commit_of(root), {}) / "dvc.yaml").exists()


def test_one_that_was_removed_by_hand_is_made_anew(root):
    folder = root / ".diptych/proofs/x/clip-0"
    place = lease(root, folder, commit_of(root), {})
    subprocess.run(["rm", "-r", str(place)], check=True)
    assert (lease(root, folder, commit_of(root), {}) / "dvc.yaml").exists()


def test_given_up_nothing_is_left_of_it(root):
    place = lease(root, root / ".diptych/proofs/x/clip-0", commit_of(root), {})
    give_up(root, place)
    give_up(root, place)
    assert not place.exists()
    assert len(git(root, "worktree", "list").splitlines()) == 1


def test_code_that_is_not_committed_is_told_and_nothing_is_proven_of_it(root):
    (root / "components/a.py").write_text("A = 3\n")
    with pytest.raises(ConfigError, match=r"components/a.py differ from the last commit.*Commit"):
        commit_of(root)


def test_params_are_ones_own_and_may_differ(root):
    (root / "params.yaml").write_text("seed: 1\n")
    assert len(commit_of(root)) == 40
    assert committed_params(root, commit_of(root)) == {"seed": 0}


def test_what_git_says_is_handed_on(tmp_path):
    with pytest.raises(CapabilityError, match="git status failed"):
        commit_of(tmp_path)
