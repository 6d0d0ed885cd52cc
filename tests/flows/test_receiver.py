"""What answers MLflow, through the real application: every answer, what is told, and what is told no second time."""

import asyncio
import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from components.contracts.errors import StaleArtifact, TransientError
from components.registry.hooks import MAX_AGE_S, MOST_BYTES, AliasSet
from flows.webhooks.receiver import Receiver
from flows.webhooks.secrets import rotate_secret, secrets_file, webhook_secrets
from tests.workspace import REPOSITORY

NOW = 1_800_000_000.0
Answers = list[tuple[int, dict[str, Any]]]


class Told(list[AliasSet]):
    """Keeps what it is told, unless it is out of reach."""

    out_of_reach = False

    async def __call__(self, wish: AliasSet) -> None:
        await asyncio.sleep(0)
        if self.out_of_reach:
            raise TransientError("the Prefect server does not answer.")
        self.append(wish)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path) -> None:
    """One of the recipe clip, in which tiny was packaged."""
    (tmp_path / "params.yaml").write_text("recipes: {clip: {start: data/untrained.txt}}\n")
    (tmp_path / "components").symlink_to(REPOSITORY / "components")
    (tmp_path / "runs/tiny/package").mkdir(parents=True)


@pytest.fixture
def post(tmp_path: Path, told: Told) -> Callable[..., Answers]:
    """Send deliveries, all at once, to a receiver that has just been started; return the answers."""

    def send(*deliveries: tuple[bytes, dict[str, str]], now_s: float = NOW) -> Answers:
        app = Receiver(tmp_path, told, clock=lambda: now_s, retry_after_s=7).app()

        async def ask() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as client:
                asked = (client.post("/mlflow", content=body, headers=headers) for body, headers in deliveries)
                return await asyncio.gather(*asked)

        answers = asyncio.run(ask())
        assert all(answer.headers.get("retry-after", "7") == "7" for answer in answers)
        return [(answer.status_code, answer.json()) for answer in answers]

    return send


@pytest.fixture
def delivery(tmp_path: Path) -> Callable[..., tuple[bytes, dict[str, str]]]:
    """Make a delivery as MLflow does, with the workspace's secret unless another is given."""

    def make(
        name: str = "d1", *, model: str = "clip", alias: str = "champion", version: str = "3", action: str = "created",
        sent_s: float = NOW, secret: str | None = None,
    ) -> tuple[bytes, dict[str, str]]:  # fmt: skip
        data = {"name": model, "alias": alias, "version": version}
        body = json.dumps({"entity": "model_version_alias", "action": action, "timestamp": "", "data": data})
        sent = str(int(sent_s))
        signature = _generate_hmac_signature(secret or webhook_secrets(tmp_path)[0], name, sent, body)
        return body.encode(), {
            "X-MLflow-Signature": signature,
            "X-MLflow-Delivery-Id": name,
            "X-MLflow-Timestamp": sent,
        }

    return make


def test_a_champion_that_was_set_is_told_once(post, delivery, told):
    [(status, said)] = post(delivery())
    assert status == 202
    assert "version 3" in said["taken"]
    assert told == [AliasSet(model="clip", alias="champion", version="3", delivery="d1")]


def test_forged_ones_are_refused_and_told_nobody(post, delivery, told):
    body, headers = delivery()
    unsigned = {name: value for name, value in headers.items() if name != "X-MLflow-Signature"}
    forged = [(body.replace(b'"3"', b'"4"'), headers), (body, unsigned), delivery(secret="x" * 43)]
    for status, said in post(*forged):
        assert status == 401
        assert "diptych hooks" in said["refused"]
    assert told == []


@pytest.mark.parametrize("away_s", [-MAX_AGE_S - 1, MAX_AGE_S + 1])
def test_stale_ones_are_refused(post, delivery, told, away_s):
    [(status, said)] = post(delivery(sent_s=NOW + away_s))
    assert status == 400
    assert "clocks" in said["refused"]
    assert told == []


def test_one_that_was_taken_is_refused_also_by_a_receiver_that_was_started_since(post, delivery, told):
    assert [status for status, _ in post(delivery())] == [202]
    [(status, said)] = post(delivery(), now_s=NOW + MAX_AGE_S)
    assert status == 409
    assert "d1" in said["refused"]
    assert len(told) == 1


def test_of_the_same_one_ten_times_at_once_one_is_told(post, delivery, told):
    statuses = [status for status, _ in post(*[delivery()] * 10)]
    assert sorted(statuses) == [202] + [409] * 9
    assert len(told) == 1


def test_out_of_order_each_is_told_since_the_flow_reads_the_alias_as_it_is_then(post, delivery, told):
    late, early = delivery("late", version="4", sent_s=NOW), delivery("early", version="3", sent_s=NOW - 60)
    assert [status for status, _ in post(late)] == [202]
    assert [status for status, _ in post(early)] == [202]
    assert [wish.model for wish in told] == ["clip", "clip"]


def test_what_is_no_champion_that_was_set_is_answered_and_ignored(post, delivery, told):
    others = [
        delivery("a", alias="challenger"),
        delivery("b", action="deleted"),
        delivery("c", model="no name of ours"),
    ]
    for status, said in post(*others):
        assert status == 200
        assert "ignored" in said
    assert told == []


def test_on_a_registry_that_others_use_too_only_models_of_this_workspace_count(post, delivery, told):
    assert [status for status, _ in post(delivery("a", model="fraud"), delivery("b", model="tiny"))] == [200, 202]
    assert [wish.model for wish in told] == ["tiny"]


def test_where_prefect_is_out_of_reach_the_next_try_of_the_same_delivery_is_taken(post, delivery, told):
    told.out_of_reach = True
    [(status, said)] = post(delivery())
    assert status == 503
    assert "Prefect" in said["refused"]
    told.out_of_reach = False
    assert [status for status, _ in post(delivery())] == [202]
    assert len(told) == 1


@pytest.mark.parametrize(("size", "status"), [(MOST_BYTES, 401), (MOST_BYTES + 1, 413), (10 * MOST_BYTES, 413)])
def test_a_body_is_read_up_to_64_kib(post, size, status):
    assert [status for status, _ in post((b"x" * size, {}))] == [status]


def test_what_is_signed_but_not_json_is_refused(post, tmp_path, told):
    signature = _generate_hmac_signature(webhook_secrets(tmp_path)[0], "d", str(int(NOW)), "no json")
    headers = {
        "X-MLflow-Signature": signature,
        "X-MLflow-Delivery-Id": "d",
        "X-MLflow-Timestamp": str(int(NOW)),
    }
    assert [status for status, _ in post((b"no json", headers))] == [400]
    assert told == []


def test_after_a_rotation_the_secret_before_is_good_and_the_one_before_that_is_not(post, delivery, tmp_path, told):
    first = webhook_secrets(tmp_path)[0]
    second = rotate_secret(tmp_path)
    assert [status for status, _ in post(delivery("a", secret=first), delivery("b", secret=second))] == [202, 202]
    third = rotate_secret(tmp_path)
    answers = post(*(delivery(f"{secret[0]}{at}", secret=secret) for at, secret in enumerate((first, second, third))))
    assert [status for status, _ in answers] == [401, 202, 202]
    assert len(set((first, second, third))) == 3


def test_secrets_are_for_their_owner_alone_and_stay_the_same(tmp_path):
    assert webhook_secrets(tmp_path) == webhook_secrets(tmp_path)
    path = secrets_file(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "\n\n", "short\n"])
def test_where_no_secret_can_be_read_nobody_is_believed_and_the_sender_tries_again(
    post, delivery, tmp_path, told, text
):
    sent = delivery()
    secrets_file(tmp_path).write_text(text)
    with pytest.raises(StaleArtifact, match="diptych hooks"):
        webhook_secrets(tmp_path)
    assert [status for status, _ in post(sent)] == [503]
    assert told == []


def test_it_says_that_it_is_well_and_nothing_else_is_there(tmp_path, told):
    app = Receiver(tmp_path, told, clock=time.time).app()

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as client:
            answers = [await client.get(path) for path in ("/healthz", "/mlflow", "/", "/docs")]
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200, 405, 404, 404]
