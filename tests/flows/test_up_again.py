"""`diptych up --again`, as a crontab asks: what it leaves alone. That it starts the servers of a machine as they were is in test_stack.py."""

import pytest

from components.contracts.errors import TransientError
from flows.cli import main
from flows.stack.place import ended_file
from flows.stack.seen import read_lost
from flows.stack.up import again, end
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
    (root / ".diptych/stack/place.json").write_text("{}")
    assert not end(root, for_good=False), "none runs any more"
    assert not ended_file(root).exists()
    assert not end(root)
    assert ended_file(root).exists()
    assert again(root) is None


def test_those_that_somebody_has_end_are_ended_though_he_does_not_wait_for_it(root):
    with supervised(root, ends_within_s=0.05):
        (root / ".diptych/stack/place.json").write_text("{}")
        with pytest.raises(TransientError, match="have not ended in 0 s"):
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
