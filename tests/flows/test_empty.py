"""Arguments of no characters, which a script gives where its variable is not set."""

import pytest

from components.contracts.errors import ConfigError
from flows.cli import main
from flows.empty import refuse_empty


@pytest.mark.parametrize("given", [["run", "--data", ""], ["run", "--data="]])
def test_an_option_that_is_given_nothing_is_named(given):
    with pytest.raises(
        ConfigError, match=r"^what --data is given is empty, as where a variable of the shell is not set"
    ):
        refuse_empty(given)


def test_an_argument_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"^an argument is empty"):
        refuse_empty(["data", "check", "", "--out", "x"])


def test_what_is_said_is_taken_as_it_is():
    refuse_empty(["run", "--set", "training.steps=", "--set=training.steps=", "--recipe", "clip"])
    refuse_empty(["ask", "x=", "--json"])
    refuse_empty([])


def test_no_command_begins_with_an_argument_of_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", "", "--out", "x"]) == 1
    assert capsys.readouterr().err.startswith("diptych: an argument is empty")
    assert not list(tmp_path.iterdir())
