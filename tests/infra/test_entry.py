"""What every container begins with, run as a shell runs it; and the passwords that compose takes."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from infra.compose_secrets import write
from tests.infra.deployed import INFRA, compose


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder as of an image: a commit with the script in it."""
    root = tmp_path / "image"
    (root / "infra").mkdir(parents=True)
    shutil.copy(INFRA / "entry", root / "infra/entry")
    (root / "dvc.yaml").write_text("stages: {}\n")
    git(root, "init", "-q")
    commit(root)
    (tmp_path / "secrets").mkdir()
    return root


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "as it is")


def begin(image: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(image.parent),
        "DIPTYCH_SECRETS": str(image.parent / "secrets"),
        **variables,
    }
    return subprocess.run([image / "infra/entry", *command], env=environment, cwd="/", capture_output=True, text=True)


def test_secrets_become_variables_by_their_names_and_other_files_stay_files(image):
    for name, value in {
        "PREFECT_API_AUTH_STRING": "diptych:a b'\"$HOME",
        "users.ini": "no",
        "lower": "no",
        "1BAD": "no",
    }.items():
        (image.parent / "secrets" / name).write_text(value)
    said = begin(image, "env", "-0").stdout.split("\0")
    assert "PREFECT_API_AUTH_STRING=diptych:a b'\"$HOME" in said
    assert not [one for one in said if one.endswith("=no")]


def test_nothing_of_a_secret_is_printed_and_without_secrets_it_begins_too(image):
    (image.parent / "secrets/TOKEN").write_text("planted")
    ended = begin(image, "true")
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    shutil.rmtree(image.parent / "secrets")
    assert begin(image, "sh", "-c", "exit 7").returncode == 7


def test_a_checkout_of_the_image_s_commit_is_made_and_follows_the_next_image(image, tmp_path):
    there = tmp_path / "work"
    assert begin(image, "pwd", DIPTYCH_CHECKOUT=str(there)).stdout.strip() == str(there)
    (there / "dvc.lock").write_text("of a run\n")
    (image / "dvc.yaml").write_text("stages: {a: {cmd: 'true'}}\n")
    commit(image)
    begin(image, "true", DIPTYCH_CHECKOUT=str(there))
    assert git(there, "rev-parse", "HEAD") == git(image, "rev-parse", "HEAD")
    assert (there / "dvc.lock").read_text() == "of a run\n"
    (there / "dvc.yaml").write_text("mine\n")
    (image / "dvc.yaml").write_text("stages: {}\n")
    commit(image)
    ended = begin(image, "echo", "began", DIPTYCH_CHECKOUT=str(there))
    assert ended.returncode == 1
    assert "has changes that this image's commit would overwrite" in ended.stderr
    assert (there / "dvc.yaml").read_text() == "mine\n"


def test_the_image_s_commit_is_taken_though_it_belongs_to_another_user(image, tmp_path):
    said = re.findall(r"git config --system --add safe\.directory (\S+)", (INFRA / "Dockerfile").read_text())
    folders = [one.replace("/opt/diptych", str(image)) for one in said]
    (tmp_path / "system").write_text("[safe]\n" + "".join(f"\tdirectory = {one}\n" for one in folders))
    others = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "DIPTYCH_CHECKOUT": str(tmp_path / "work")}
    refused = begin(image, "true", **others, GIT_CONFIG_SYSTEM="/dev/null")
    assert "dubious ownership" in refused.stderr
    ended = begin(image, "true", **others, GIT_CONFIG_SYSTEM=str(tmp_path / "system"))
    assert ended.returncode == 0, ended.stderr


def test_what_is_unfinished_lies_where_it_is_told(image, tmp_path):
    there, kept = tmp_path / "work", tmp_path / "resume"
    kept.mkdir()
    for _ in range(2):
        assert begin(image, "true", DIPTYCH_CHECKOUT=str(there), DIPTYCH_CHECKPOINTS=str(kept)).returncode == 0
    assert (there / ".diptych/resume").resolve() == kept
    assert stat.S_IMODE((there / ".diptych").stat().st_mode) == 0o700


def test_passwords_of_compose_are_made_once_and_fit_each_other(tmp_path):
    folder = tmp_path / "secrets"
    made = write(folder)
    assert {*compose()["secrets"]} <= {*made}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = {path.name: path.read_text() for path in folder.iterdir()}
    (folder / "s3-users").unlink()
    assert write(folder) == ["s3-users"]
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert before["prefect-login"] == f"diptych:{before['prefect-password']}"
    assert before["postgres-prefect"] in before["prefect-database"]
    assert before["mlflow-database"] + "_users" in before["mlflow-users"]
    keys = {one["name"]: one["credentials"][0]["secretKey"] for one in json.loads(before["s3-users"])["identities"]}
    assert {before["s3-mlflow-id"]: before["s3-mlflow"], before["s3-dvc-id"]: before["s3-dvc"]}.items() <= keys.items()
    assert len({value for name, value in before.items() if name in keys}) == len(
        {name for name in before if name in keys}
    )


def test_a_container_that_was_ended_while_it_cloned_begins_again(image, tmp_path):
    there = tmp_path / "work"
    (tmp_path / "work.new/.git").mkdir(parents=True)
    assert begin(image, "pwd", DIPTYCH_CHECKOUT=str(there)).stdout.strip() == str(there)
    assert not (tmp_path / "work.new").exists()
    assert (there / "dvc.yaml").exists()


def test_what_is_checked_out_on_a_tmpfs_may_be_run_there():
    """Docker mounts one noexec unless it is told, and the command of the service is a file of the checkout."""
    checked = []
    for name, service in compose()["services"].items():
        mounts = dict(one.partition(":")[::2] for one in service.get("tmpfs", []))
        checkout = (service.get("environment") or {}).get("DIPTYCH_CHECKOUT", "/work/diptych")
        for mount, options in mounts.items():
            if checkout.startswith(f"{mount}/"):
                assert "exec" in options.split(","), name
                checked.append(name)
    assert checked == ["set-up"]
