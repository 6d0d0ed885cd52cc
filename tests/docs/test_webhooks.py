"""docs/webhooks.md: its commands are ones, its answers, limits and names the code's, its files are there."""

import re
import shlex
from pathlib import Path

import yaml
from mlflow import environment_variables
from prefect.settings import Settings

from components.recipes.names import check_names
from components.registry.hooks import MAX_AGE_S, MOST_BYTES
from flows.cli import _parser
from flows.telling.automations import REACTIONS
from flows.telling.events import ALIAS_SET, model_resource
from flows.webhooks.receiver import BODY_WITHIN_S, RETRY_AFTER_S, STATUS
from flows.webhooks.watch import MOST_S
from flows.webhooks.webhook import webhook_name

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/webhooks.md").read_text()


def test_the_commands_are_those_there_are():
    commands = re.findall(r"^ *\.venv/bin/diptych (.*?)(?: +#.*)?$", PAGE, re.M)
    assert len(commands) > 6
    for command in commands:
        _parser().parse_args(shlex.split(command))


def test_the_answers_are_those_of_the_code():
    source = (REPOSITORY / "flows/webhooks/receiver.py").read_text()
    given = {int(status) for status in re.findall(r"return (\d{3}), ", source)} | set(STATUS.values())
    assert {int(status) for status in re.findall(r"^\| `(\d{3})`", PAGE, re.M)} == given


def test_the_numbers_are_those_of_the_code():
    watch = _parser().parse_args(["watch"])
    assert f"every {watch.every:.0f} s" in PAGE
    assert f"up to {MOST_S / 60:.0f} minutes" in PAGE
    assert f"at most {MAX_AGE_S} s ago" in PAGE
    assert f"at most {MOST_BYTES:,} bytes" in PAGE
    assert f"within {BODY_WITHIN_S:.0f} s" in PAGE
    assert f"after {RETRY_AFTER_S} s, three times" in PAGE
    assert environment_variables.MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES.default == 3
    assert environment_variables.MLFLOW_WEBHOOK_CACHE_TTL.default == 60, "a minute"
    assert Settings().worker.query_seconds == 10
    assert Settings().runner.poll_frequency == 10


def test_the_names_are_those_of_servers_and_code():
    for name in set(re.findall(r"\b(MLFLOW_WEBHOOK_\w+)", PAGE)):
        assert any(getattr(environment_variables, prefix + name, None) for prefix in ("", "_")), name
    assert f"`{webhook_name(REPOSITORY)[:-8]}` and eight digits" in PAGE
    assert f"`{ALIAS_SET}` about `{model_resource('<name>')}`" in PAGE
    for path in re.findall(r"`(tests/\S+)`", PAGE):
        assert (REPOSITORY / path).exists()


def test_what_the_automations_run_is_among_the_deployments():
    deployments = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    known = {f"{one['entrypoint'].rpartition(':')[2]}/{one['name']}": one for one in deployments}
    for reaction in REACTIONS:
        assert reaction.deployment in known
        assert set(reaction.parameters) <= set(known[reaction.deployment]["parameters"])
    assert known["deploy/manual"]["parameters"]["model"] in check_names(REPOSITORY)
    assert "runs `deploy/manual`" in PAGE
