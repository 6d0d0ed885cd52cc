"""`diptych up --again`, as a crontab asks: what it leaves alone. That it starts the servers of a machine as they were is in test_stack.py."""

from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, TransientError
from flows.cli import main
from flows.stack.place import ended_file, record_file
from flows.stack.seen import read_lost
from flows.stack.up import again, as_if_never_started, end
from tests.flows.rolled import make_place
from tests.flows.supervised import supervised


@pytest.fixture
def root(tmp_path):
    return make_place(tmp_path)


def test_where_nobody_ever_started_any_and_where_they_run_it_starts_none(root):
    assert again(root) is None
    with supervised(root, without=["hooks"]):
        assert again(root) is None
        assert read_lost(root) is None


def test_those_that_were_killed_are_known_until_somebody_ends_them(root):
    with supervised(root, without=["hooks"], settings={"PREFECT_UI_URL": "https://prefect.example.org"}):
        pass
    lost = read_lost(root)
    assert lost is not None
    assert (lost.without, lost.settings) == (("hooks",), {"PREFECT_UI_URL": "https://prefect.example.org"})
    assert not end(root, for_good=False), "none runs any more"
    assert not ended_file(root).exists()
    assert not end(root)
    assert ended_file(root).exists()
    assert again(root) is None


def test_those_that_somebody_has_end_are_ended_though_he_does_not_wait_for_it(root):
    with supervised(root, ends_within_s=0.05), pytest.raises(TransientError, match="have not ended in 0 s"):
        end(root)
    assert read_lost(root) is not None
    assert again(root) is None


def test_a_record_of_before_has_no_settings(root):
    with supervised(root):
        pass
    lost = read_lost(root)
    assert lost is not None
    assert lost.settings == {}


@pytest.mark.parametrize("more", [("--data", "elsewhere"), ("--without", "hooks")])
def test_it_does_not_start_them_otherwise(root, monkeypatch, capsys, more):
    monkeypatch.chdir(root)
    assert main(["up", "--again", *more]) == 1
    assert "--again starts the servers as they were. Leave out --data and --without" in capsys.readouterr().err


def test_it_says_nothing_where_it_starts_none(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["up", "--again"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["up", "--again", "--json"]) == 0
    assert capsys.readouterr() == ("null\n", "")


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_begun_and_fails_leaves_what_is_known_of_servers_as_it_was(root, ended):
    with supervised(root, without=["hooks"]):
        pass
    if ended:
        end(root)
    before = (read_lost(root), ended_file(root).exists())
    with pytest.raises(KeyboardInterrupt):
        begun(root, KeyboardInterrupt())
    assert (read_lost(root), ended_file(root).exists()) == before
    record_file(root).unlink()
    with pytest.raises(ConfigError):
        begun(root, ConfigError("it fails"))
    assert not record_file(root).exists()


def begun(root: Path, ends: BaseException) -> None:
    """Begin servers as far as files say so, and end so."""
    with as_if_never_started(root):
        ended_file(root).unlink(missing_ok=True)
        record_file(root).write_text("of servers that were started meanwhile")
        raise ends
