"""What becomes of a version is shown in Prefect under one key, by whatever way it was asked for: a real server, a flow run or a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError, GateClosed
from components.registry.store import open_store
from flows.promote import promote as judged
from tests.flows.test_promote import made


@pytest.fixture
def shown(toy, prefect_api):
    """Return a call that gives what was shown as `promotion-clip` since the last: page, and whether it is of a run."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    seen = set()
    with get_client(sync_client=True) as client:

        def look():
            found = client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["promotion-clip"]))
            )
            new = [one for one in found if one.id not in seen]
            seen.update(one.id for one in new)
            return [(one.data, one.flow_run_id is not None) for one in new]

        look()  # what other tests left
        yield look


@pytest.fixture
def newest(prefect_api):
    """Return a call that gives the newest of all runs that has a key."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:

        def look(key):
            only = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
            return max(client.read_artifacts(artifact_filter=only), key=lambda one: one.created).data

        yield look


@pytest.fixture
def links(newest):
    """Return a call that gives the newest `links-clip`."""
    return lambda: newest("links-clip")


def in_a_shell(verb, *arguments, server=True):
    """Run a command, where a server is known or where none is."""
    env = {name: value for name, value in os.environ.items() if server or not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.cli", verb, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_the_deployment_shows_what_was_judged_and_what_a_person_signed_for(toy, shown, links, newest):
    from flows.judged import promote

    first = made(toy, 1)
    assert promote("clip@1").startswith("clip@1 is the champion")
    said = links()
    assert said.startswith("# clip@1\n")
    for place in (
        f"/runs/{first.run_id}/model-metrics",
        f"/runs/{first.run_id}/artifacts/package/report.html",
        "#/models/clip/versions/1",
    ):
        assert f"{place}?" in said
    assert "data/report.html" not in said, "validation wrote none, so no link leads there"
    assert f"\n- Data {('d' * 64)[:36]} from " in said
    rows = {one["metric"]: one for one in json.loads(newest("metrics-clip"))}
    kept = json.loads((toy / "runs/clip/package/metrics.json").read_text())
    assert {name: one["value"] for name, one in rows.items()} == {name: one["value"] for name, one in kept.items()}
    assert len(rows) > 0
    ((page, of_run),) = shown()
    assert page.startswith("# clip@1: promoted")
    assert of_run
    made(toy, 0)
    with pytest.raises(GateClosed, match="clip@2 stays challenger"):
        promote("clip@2")
    assert links().startswith("# clip@2\n"), "of one that stays challenger, too"
    ((page, of_run),) = shown()
    assert page.startswith("# clip@2: kept")
    assert "| primary | retrieval.pair.mean_recall |" in page
    assert of_run
    assert "set by hand: red is red again" in promote("clip@2", because="red is red again")
    ((page, of_run),) = shown()
    assert page.startswith("# clip@2\n\nclip@2 is the champion, set by hand: red is red again")
    assert of_run


def test_a_shell_shows_it_where_there_is_a_server_and_is_silent_where_there_is_none(toy, shown):
    made(toy, 1)
    alone = in_a_shell("promote", "clip@1", server=False)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert shown() == []
    made(toy, 2)
    judged = in_a_shell("promote", "clip@2", "--json")
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.startswith("{"), "the answer alone"
    ((page, of_run),) = shown()
    assert page.startswith("# clip@2: promoted")
    assert not of_run
    by_hand = in_a_shell("promote", "clip@1", "--because", "the second sees no red")
    assert by_hand.returncode == 0, by_hand.stderr
    ((page, _),) = shown()
    assert page.startswith("# clip@1\n\nclip@1 is the champion, set by hand: the second sees no red")


def by_the_alias(version):
    """Do what somebody does on MLflow's page."""
    open_store(Path.cwd()).client.set_registered_model_alias("clip", "champion", version.version)


def test_what_the_alias_asks_for_is_shown_by_whoever_hears_of_it(toy, shown):
    """Nothing can be served here, which takes nothing back of what was decided."""
    from flows.deliver import deploy
    from flows.judged import promote

    judged(toy, made(toy, 2))
    by_the_alias(worse := made(toy, 0))
    with pytest.raises(CapabilityError, match="Nothing is served"):
        deploy("clip")
    ((page, of_run),) = shown()
    assert page.startswith("# clip@2: kept")
    assert "| primary | retrieval.pair.mean_recall | fails: not better |" in page
    assert of_run
    by_the_alias(worse)
    asked = in_a_shell("deploy", "clip")
    assert asked.returncode == 1, asked.stdout
    ((page, of_run),) = shown()
    assert page.startswith("# clip@2: kept")
    assert not of_run
    by_the_alias(made(toy, 4))
    with pytest.raises(CapabilityError, match="Nothing is served"):
        deploy("clip")
    ((page, _),) = shown()
    assert page.startswith("# clip@3: promoted")
    by_the_alias(worse)
    made(toy, 6)
    promote("clip@4")
    pages = [page.partition("\n")[0] for page, _ in shown()]
    assert sorted(pages) == ["# clip@2: kept", "# clip@4: promoted"], "whoever had the alias by hand is judged first"


def test_what_cannot_be_shown_stops_nothing(toy, links, capsys):
    from flows.publish import publish_version

    publish_version(toy, "clip@9")
    assert (
        "not shown on the run's page (publish_version): the registry has no version 'clip@9'" in capsys.readouterr().err
    )
