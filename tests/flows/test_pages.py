"""Where pages are: a record that is only believed while its process lives, and ports that are kept."""

import json
import os
from dataclasses import replace

import pytest

from components.serving.process import ProcessId
from flows.pages import Pages, keep_port, mlflow_page, port_of


@pytest.fixture
def pages():
    own = ProcessId.of(os.getpid())
    return Pages(prefect="http://127.0.0.1:4200", mlflow="http://127.0.0.1:5000", process=own)


def test_pages_are_found_while_they_are_told(pages, tmp_path):
    with pages.told(tmp_path):
        assert Pages.read(tmp_path) == pages
    assert Pages.read(tmp_path) is None
    assert list((tmp_path / ".diptych").iterdir()) == []


@pytest.mark.parametrize("changed", [{"started_ticks": 1}, {"boot": "yesterday's"}, {"pid": 2**22 + 1}])
def test_the_record_of_another_process_is_stale(pages, tmp_path, changed):
    with replace(pages, process=replace(pages.process, **changed)).told(tmp_path):
        assert Pages.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"prefect": "x"}', "{"])
def test_a_broken_record_is_none(tmp_path, text):
    (tmp_path / ".diptych").mkdir()
    (tmp_path / ".diptych/ui.json").write_text(text)
    assert Pages.read(tmp_path) is None


def test_a_port_is_chosen_once_and_links_use_it_while_no_page_is_up(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    port = port_of(tmp_path, "mlflow")
    assert mlflow_page(tmp_path) == f"http://127.0.0.1:{port}"
    keep_port(tmp_path, "mlflow", port + 7)
    assert mlflow_page(tmp_path) == f"http://127.0.0.1:{port + 7}"
    assert json.loads((tmp_path / ".diptych/ports.json").read_text()) == {"mlflow": port + 7}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example/")
    assert mlflow_page(tmp_path) == "https://mlflow.example"
