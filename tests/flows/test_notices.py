"""Who is told, for real: a Prefect server with its automations, and Slack's block, a mail server and a webhook that receive."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events import AutomationCore, EventTrigger
from prefect.events.schemas.automations import Posture
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_UI_URL, temporary_settings
from prefect.states import State
from pydantic import SecretStr

from components.contracts.errors import ConfigError, GateClosed
from components.monitoring.events import BUDGET, DRIFT, Event
from flows import publish
from flows.loopback import bound, wait_for
from flows.processes import started
from flows.publish import publish_verdict
from flows.telling import told as told_of
from flows.telling.automations import whole
from flows.telling.channels import Channel, without_address
from flows.telling.notices import NOTICES, remove_channel, renew_notices, set_up_notices, try_channels
from flows.telling.notify import addresses
from flows.telling.told import tell
from tests.flows.kept_prefect import api_of
from tests.receivers import PASSWORD, USER, Receiver, mail, slack, web

TOKEN, PATH, TITLE = "T0PLANTED0/B0PLANTED0/plantedslacktoken00", "/planted-path", "planted-in-the-query"
pytestmark = pytest.mark.timeout(300)


@dataclass
class Told:
    """A Prefect server of our own, and who receives."""

    home: Path
    log: Path
    variables: dict[str, str]
    by: dict[str, Receiver]

    def all_got(self, count: int) -> bool:
        return all(len(one.got) >= count for one in self.by.values())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    home, log = folder / "prefect", folder / "prefect.log"
    log.touch()
    with ExitStack() as left:
        page, post = left.enter_context(web()), left.enter_context(mail())
        chat, way = left.enter_context(slack(folder))
        given = {
            "DIPTYCH_NOTIFY_SLACK": f"https://hooks.slack.com/services/{TOKEN}",
            "DIPTYCH_NOTIFY_MAIL": f"mailto://{USER}:{PASSWORD}@127.0.0.1:{post.port}?from=us@here.example&to=you@there.example",
            "DIPTYCH_NOTIFY_WEBHOOK_FILE": str(folder / "webhook"),
        }
        (folder / "webhook").write_text(f"http://127.0.0.1:{page.port}{PATH}?key={TITLE}\n")
        patch = left.enter_context(pytest.MonkeyPatch.context())
        for name, value in way.items():
            patch.setenv(name, value)
        its = left.enter_context(bound())
        command = [sys.executable, "-m", "uvicorn", "--factory", "flows.page_apps:prefect_page", "--fd", str(its.fileno()), "--lifespan", "on"]  # fmt: skip
        server = left.enter_context(
            started(command, log, {"PREFECT_HOME": str(home)}, Path(__file__).parents[2], [its.fileno()])
        )
        wait_for(f"{api_of(its)}/health", server, log, "the Prefect server", 120)
        left.enter_context(temporary_settings({PREFECT_API_URL: api_of(its)}))
        yield Told(home, log, given, {"slack": chat, "mail": post, "webhook": page})


@flow(name="trains")
def fails(with_what: str) -> None:
    raise GateClosed(with_what)


@flow(name="judges")
def judges() -> None:
    publish_verdict("clip@3", "clip@3 is promoted: better by 0.04.")


def event(name: str, asks: str) -> Event:
    return Event(
        name=name, at=datetime.now(UTC), model="clip@3", says=f"scores have moved ({asks or 'told'})", asks=asks
    )


def test_failure_verdict_and_drift_arrive_once_by_each_channel_with_sentence_and_link(told, until):
    assert set_up_notices(told.variables) == ("slack", "mail", "webhook")
    assert set_up_notices({}) == ("slack", "mail", "webhook"), "the server has them"
    with pytest.raises(GateClosed):
        fails("of somebody else's")
    tell([event(DRIFT, ""), event(DRIFT, "pipeline"), event(BUDGET, "rollback")])
    with tags("diptych"):
        judges()
        with pytest.raises(GateClosed):
            fails("3% of the pairs are broken")
    until(lambda: told.all_got(4), lambda: [one.got for one in told.by.values()])
    with tags("diptych"), pytest.raises(GateClosed):
        fails("the last")
    until(lambda: told.all_got(5), lambda: [one.got for one in told.by.values()])
    with get_client(sync_client=True) as client:
        runs = [run for run in client.read_flow_runs() if "diptych" in run.tags]
    page = PREFECT_API_URL.value().removesuffix("/api")
    links = {run.state.message or run.name: f"{page}/runs/flow-run/{run.id}" for run in runs}
    (judged,) = [link for said, link in links.items() if "GateClosed" not in said]
    for channel, receiver in told.by.items():
        by_title: dict[str, list[str]] = {}
        for title, text, _ in receiver.got:
            by_title.setdefault(title, []).append(text)
        assert {title: len(texts) for title, texts in by_title.items()} == {
            "trains failed": 2, "clip@3: verdict": 1, "clip@3: drift": 1, "clip@3: budget broken": 1,
        }, channel  # fmt: skip
        assert "scores have moved (pipeline)" in by_title["clip@3: drift"][0]
        assert "better by 0.04" in by_title["clip@3: verdict"][0]
        assert judged in by_title["clip@3: verdict"][0]
        for said in ("3% of the pairs are broken", "the last"):
            (text,) = [text for text in by_title["trains failed"] if said in text]
            assert links[f"Flow run encountered an exception: GateClosed: {said}"] in text
    assert {to for _, _, to in told.by["slack"].got} == {f"hooks.slack.com/services/{TOKEN}"}
    assert {to for _, _, to in told.by["mail"].got} == {"you@there.example"}
    assert {to for _, _, to in told.by["webhook"].got} == {f"{PATH}?key={TITLE}"}


def test_a_run_that_crashed_is_told_of_once_it_is_not_tried_again(told, until):
    set_up_notices(told.variables)
    before = {name: len(one.got) for name, one in told.by.items()}
    with get_client(sync_client=True) as client, tags("diptych"):
        run = client.create_flow_run(judges, tags=["diptych"])
        for _ in range(2):  # as the run and its worker tell of it
            client.set_flow_run_state(run.id, State(type=StateType.CRASHED, message="its worker died"), force=True)
    until(lambda: all(len(one.got) > before[name] for name, one in told.by.items()), lambda: told.by)
    tell([event(BUDGET, "rollback")])  # what is told after it comes after it
    until(lambda: all(len(one.got) > before[name] + 1 for name, one in told.by.items()), lambda: told.by)
    for name, one in told.by.items():
        (title, text, _), (marker, *_) = one.got[before[name] :]
        assert (title, marker) == ("judges crashed", "clip@3: budget broken")
        assert "it crashed and is not tried again by itself: its worker died" in text


def test_a_verdict_that_nobody_can_be_told_of_stops_nothing(told, capsys, monkeypatch):
    monkeypatch.setattr(publish, "TOLD_WITHIN_S", 0.0)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        publish_verdict("clip@3", "clip@3 is promoted")
    assert (
        "not shown on the run's page (publish_verdict): the Prefect server does not take events"
        in capsys.readouterr().err
    )


def test_a_server_that_refuses_a_verdict_is_not_asked_again(monkeypatch, capsys):
    asked = list[str]()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def do_POST(self):
            asked.append(self.path)
            self.send_error(401)

        def log_message(self, *of): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        serves = threading.Thread(target=server.serve_forever)
        serves.start()
        try:
            with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_address[1]}/api"}):
                publish_verdict("clip@3", "clip@3 is promoted")
        finally:
            server.shutdown()
            serves.join()
    assert asked == ["/api/events"]
    assert "401" in capsys.readouterr().err


def test_a_verdict_is_told_to_a_server_that_is_away_for_a_moment_once_it_is_back(monkeypatch, capsys):
    monkeypatch.setattr(told_of, "AGAIN_S", 0.2)
    heard = list[list[dict[str, str]]]()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)  # no token against forged requests is wanted

        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *of): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Server, bind_and_activate=False) as server:
        server.server_bind()  # and nobody listens yet, so that who asks is refused
        back = threading.Timer(1.0, server.server_activate)
        serves = threading.Timer(1.1, server.serve_forever)
        with temporary_settings(
            {PREFECT_API_URL: f"http://127.0.0.1:{server.server_address[1]}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
        ):
            back.start()
            serves.start()
            publish_verdict("clip@3", "clip@3 is promoted")
        server.shutdown()
        serves.join()
    assert [one["resource"]["prefect.resource.id"] for (one,) in heard] == ["diptych.endpoint.clip@3"], (
        capsys.readouterr().err
    )
    assert capsys.readouterr().err == ""


def test_no_address_is_in_a_log_or_an_automation_or_can_be_read_in_the_store(told):
    set_up_notices(told.variables)
    for one in told.by.values():
        one.refuses = True
    tried = try_channels()
    for one in told.by.values():
        one.refuses = False
    assert set(tried) == {"slack", "mail", "webhook"}
    assert all(tried.values()), "each is said to have failed"
    assert set(try_channels().values()) == {""}
    with get_client(sync_client=True) as client:
        automations = "".join(client.read_automations_by_name(one.name)[0].model_dump_json() for one in NOTICES)
    kept = b"".join(path.read_bytes() for path in told.home.rglob("*") if path.is_file())
    for secret in (*TOKEN.split("/"), PASSWORD, PATH, TITLE):
        for where, text in {"tries": str(tried), "log": told.log.read_text(), "automation": automations}.items():
            assert secret not in text, where
        assert secret.encode() not in kept


def test_links_begin_with_the_address_that_people_use_where_that_is_said(told):
    with temporary_settings({PREFECT_UI_URL: "https://prefect.example.org/"}), get_client(sync_client=True) as client:
        set_up_notices(told.variables)
        bodies = {
            action.body
            for notice in NOTICES
            for its in client.read_automations_by_name(notice.name)
            for action in its.actions
        }
    assert len(bodies) == len({(notice.says, notice.run) for notice in NOTICES})
    assert all("\nhttps://prefect.example.org/runs/flow-run/{{" in body for body in bodies)
    assert not any(PREFECT_API_URL.value().removesuffix("/api") in body for body in bodies)


def test_what_was_made_by_code_of_before_is_as_the_code_has_it_by_the_same_channels(told):
    set_up_notices(told.variables)
    with get_client(sync_client=True) as client:
        (kept,) = client.read_automations_by_name(NOTICES[1].name)
        older = AutomationCore(
            name=kept.name, description=kept.description, enabled=True, tags=kept.tags, actions=kept.actions,
            trigger=EventTrigger(expect={"prefect.flow-run.Crashed"}, posture=Posture.Reactive, threshold=1, within=timedelta(0)),
        )  # fmt: skip
        client.update_automation(kept.id, whole(older))
        assert client.read_automations_by_name(NOTICES[1].name)[0].trigger != kept.trigger
        assert renew_notices() == ("slack", "mail", "webhook")
        (now,) = client.read_automations_by_name(NOTICES[1].name)
    assert (now.trigger, now.actions) == (kept.trigger, kept.actions)


def test_one_that_was_paused_stays_so_and_the_last_channel_takes_the_automations_along(told):
    set_up_notices(told.variables)
    with get_client(sync_client=True) as client:
        (verdict,) = client.read_automations_by_name(NOTICES[2].name)
        client.pause_automation(verdict.id)
        assert remove_channel("mail") == ("slack", "webhook")
        (verdict,) = client.read_automations_by_name(NOTICES[2].name)
        assert (verdict.enabled, len(verdict.actions)) == (False, 2)
        assert remove_channel("slack") == ("webhook",)
        assert remove_channel("webhook") == ()
        assert [client.read_automations_by_name(one.name) for one in NOTICES] == [[]] * len(NOTICES)


@pytest.mark.parametrize(("channel", "address"), [
    ("SLACK", "https://example.com/services/planted/planted/planted"), ("MAIL", "smtp://planted@example.com"),
    ("MAIL", "mailto://"), ("WEBHOOK", "planted.example.com"), ("WEBHOOK", "https://"),
])  # fmt: skip
def test_what_is_no_address_is_refused_by_its_variable_and_not_shown(channel, address):
    with pytest.raises(ConfigError, match=f"DIPTYCH_NOTIFY_{channel} gives is no address") as refused:
        set_up_notices({f"DIPTYCH_NOTIFY_{channel}": address})
    assert "planted" not in str(refused.value)


def test_an_address_comes_from_a_variable_or_a_file_and_not_from_both(tmp_path):
    (tmp_path / "address").write_text(" https://there \n")
    file = {"DIPTYCH_NOTIFY_WEBHOOK_FILE": str(tmp_path / "address")}
    assert addresses(file) == {"webhook": ("DIPTYCH_NOTIFY_WEBHOOK_FILE", "https://there")}
    assert addresses({"DIPTYCH_NOTIFY_WEBHOOK": "", "DIPTYCH_NOTIFY_SLACK": ""}) == {}
    with pytest.raises(ConfigError, match="Keep one of them"):
        addresses({**file, "DIPTYCH_NOTIFY_WEBHOOK": "https://here"})
    with pytest.raises(ConfigError, match="cannot be read: FileNotFoundError"):
        addresses({"DIPTYCH_NOTIFY_MAIL_FILE": str(tmp_path / "gone")})
    assert os.environ.get("DIPTYCH_NOTIFY_WEBHOOK") is None


@pytest.mark.parametrize("said", ["wrong: pw1", "wrong: a b/c", "wrong: a%20b%2Fc", "at there.example.com"])
def test_a_password_is_shown_in_no_form(said):
    block = Channel(url=SecretStr("mailto://pw1:a%20b%2Fc@there.example.com"))
    assert "…" in without_address(said, block)
    assert not any(part in without_address(said, block) for part in ("pw1", "a b/c", "a%20b%2Fc", "there.example.com"))
