"""Keys: made, known by their hash alone, ended, taken back; and what a gateway says to whoever has none."""

import stat
import time
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError
from components.serving.gateway.keys import Keyring, add_key, keys_file, read_keys, remove_key


def ask(client, **headers):
    return client.post("/v1/embeddings", json={"input": "a red square"}, headers=headers)


@pytest.fixture
def keyed(workspace: Path):
    """A workspace with keys; as before afterwards."""
    yield workspace
    keys_file(workspace).unlink(missing_ok=True)
    time.sleep(0.6)  # longer than a gateway goes without looking


def test_only_the_hash_is_kept_and_only_for_the_owner(tmp_path):
    token = add_key(tmp_path, "anna")
    text = keys_file(tmp_path).read_text()
    assert token not in text
    assert token.removeprefix("dip_") not in text
    assert stat.S_IMODE(keys_file(tmp_path).stat().st_mode) == 0o600
    assert Keyring(tmp_path).found(token).name == "anna"
    assert Keyring(tmp_path).found(token + "x") is None


def test_two_of_a_name_and_numbers_that_let_nobody_in_are_refused(tmp_path):
    add_key(tmp_path, "anna")
    for arguments in (("anna",), ("",), ("new\nline",), ("ben", 0), ("ben", -1), ("ben", None, 0)):
        with pytest.raises(ConfigError):
            add_key(tmp_path, *arguments)
    assert [key.name for key in read_keys(tmp_path)] == ["anna"]
    with pytest.raises(ConfigError, match="there is anna"):
        remove_key(tmp_path, "ben")


def test_where_the_last_key_is_gone_nobody_is_let_in(tmp_path):
    assert not Keyring(tmp_path).asks
    add_key(tmp_path, "anna")
    remove_key(tmp_path, "anna")
    assert Keyring(tmp_path).asks
    keys_file(tmp_path).write_text("{")
    assert Keyring(tmp_path).asks


def test_where_the_keys_cannot_be_read_nobody_is_let_in_however_often_one_asks(tmp_path):
    keys_file(tmp_path).mkdir(parents=True)  # whoever runs tests as root may read any file
    ring = Keyring(tmp_path)
    assert [ring.asks for _ in range(3)] == [True] * 3
    assert ring.found("dip_anything") is None
    keys_file(tmp_path).rmdir()
    token = add_key(tmp_path, "anna")
    assert Keyring(tmp_path).found(token).name == "anna"


def test_from_the_first_key_on_one_is_needed_until_it_is_taken_back(start, keyed):
    client = start()
    assert ask(client).status_code == 200
    token = add_key(keyed, "anna")
    time.sleep(0.6)
    without, wrong = ask(client), ask(client, authorization="Bearer dip_wrong")
    assert (without.status_code, wrong.status_code) == (401, 401)
    assert (without.json()["error"]["code"], without.headers["www-authenticate"]) == ("invalid_key", "Bearer")
    assert ask(client, authorization=f"Bearer {token}").status_code == 200
    assert ask(client, **{"x-api-key": token}).status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200  # the page asks for the key itself
    remove_key(keyed, "anna")
    time.sleep(0.6)
    assert ask(client, authorization=f"Bearer {token}").status_code == 401


def test_a_key_whose_time_is_over_is_told_so(start, keyed):
    token = add_key(keyed, "anna", days=1e-5)
    time.sleep(1)
    answer = ask(start(), authorization=f"Bearer {token}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "expired_key")


def test_a_key_that_asks_too_often_waits_and_no_other(start, keyed):
    slow, fast = add_key(keyed, "slow", per_minute=12), add_key(keyed, "fast")
    client = start()
    answers = [ask(client, authorization=f"Bearer {slow}") for _ in range(4)]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 429]  # 12 a minute are 2 at once
    assert 1 <= int(answers[2].headers["retry-after"]) <= 5
    assert ask(client, authorization=f"Bearer {fast}").status_code == 200
