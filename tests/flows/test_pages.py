"""Where pages are: a record that is only believed while its process lives, and ports that are kept."""

import json
import os
from dataclasses import replace

import pytest

from components.contracts.errors import ConfigError
from components.serving.process import ProcessId
from flows.page_apps import KEEP_RUNS, kept_for
from flows.pages import MLFLOW_PAGE, Pages, keep_port, mlflow_page, own_mlflow, port_of


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
    for name in ("MLFLOW_TRACKING_URI", MLFLOW_PAGE):
        monkeypatch.delenv(name, raising=False)
    port = port_of(tmp_path, "mlflow")
    assert mlflow_page(tmp_path) == f"http://127.0.0.1:{port}"
    keep_port(tmp_path, "mlflow", port + 7)
    assert mlflow_page(tmp_path) == f"http://127.0.0.1:{port + 7}"
    assert json.loads((tmp_path / ".diptych/ports.json").read_text()) == {"mlflow": port + 7}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example/")
    assert mlflow_page(tmp_path) == "https://mlflow.example"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example/")
    assert mlflow_page(tmp_path) == "https://mlflow.example", "a link is read by others"


def test_links_lead_to_where_people_open_mlflow_though_programs_have_another_name_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv(MLFLOW_PAGE, " https://mlflow.example.org/ ")
    assert mlflow_page(tmp_path) == "https://mlflow.example.org"
    assert own_mlflow() == "http://mlflow:5000", "which programs go on asking"
    monkeypatch.setenv(MLFLOW_PAGE, "")
    assert mlflow_page(tmp_path) == "http://mlflow:5000"
    monkeypatch.setenv(MLFLOW_PAGE, "mlflow.example.org")
    with pytest.raises(ConfigError, match=f"{MLFLOW_PAGE} is 'mlflow.example.org', but links to MLflow begin with it"):
        mlflow_page(tmp_path)


def test_runs_are_kept_for_90_days_or_as_many_as_are_said(monkeypatch):
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    monkeypatch.delenv(KEEP_RUNS, raising=False)
    assert kept_for()["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(90 * 86_400)
    monkeypatch.setenv(KEEP_RUNS, "7")
    for name, value in kept_for().items():
        monkeypatch.setenv(name, value)
    its = ServerServicesDBVacuumSettings()
    assert its.retention_period.days == 7
    assert its.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    for wrong in ("0", "a week", "-1", "7.5", "99999"):
        monkeypatch.setenv(KEEP_RUNS, wrong)
        with pytest.raises(ConfigError, match=f"{KEEP_RUNS} is '{wrong}', but must be for how many days"):
            kept_for()
