"""`diptych model import` as a newcomer meets them: anywhere, in two lines or as JSON, with an honest exit code."""

import signal
from pathlib import Path

import pytest

from flows.cli import main

GOLDEN = Path(__file__).parents[1] / "golden" / "transformers"


@pytest.fixture
def diptych(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in an empty folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> tuple[int, str, str]:
        return main(["model", *arguments]), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_what_it_is_is_said_in_two_lines(diptych, tmp_path):
    code, out, err = diptych("import", str(GOLDEN / "siglip"), "--from", "huggingface", "--to", "ours")
    assert (code, err) == (0, "")
    assert "of transformers, is now ours: 16,986 numbers in 74 tensors, 16 dimensions, pictures of 16 pixels" in out
    assert f"texts of 8 of 59 tokens\nin {tmp_path / 'ours'}" in out


def test_what_cannot_be_read_is_one_sentence_and_no_success(diptych, tmp_path):
    code, out, err = diptych("import", "nothing", "--from", "open_clip", "--to", "ours")
    assert (code, out) == (1, "")
    assert err.startswith("diptych: there are no weights at")
    assert err.count("\n") == 1
    assert not (tmp_path / "ours").exists()


def test_whose_it_is_must_be_one_of_two(diptych, capsys):
    with pytest.raises(SystemExit):
        diptych("import", "x", "--from", "timm", "--to", "ours")
    assert "choose from open_clip, huggingface" in capsys.readouterr().err.replace("'", "")
