"""What a person sees of a run on its page in Prefect: tables, example pictures, how far it is, where everything is.

A browser opens no file: link from a page, so links lead to MLflow's page, which has the same files, and the paths stand
beside them.
"""

import base64
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from httpx import HTTPError
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException

from components.contracts.address import without_password
from components.contracts.errors import DiptychError
from components.monitoring.events import VERDICT, Event
from components.registry.links import (
    DATA_REPORT,
    PACKAGE,
    artifact_link,
    curves_link,
    experiment_link,
    model_link,
    version_link,
)
from components.registry.promotion import Verdict
from components.registry.store import open_store, store_errors
from components.registry.versions import by_label
from components.serving.record import read_gateway
from flows.bill import as_markdown, price, row
from flows.pages import mlflow_page, own_mlflow
from flows.report import SHOWN, measured
from flows.status import data_of
from flows.telling.told import tell
from flows.workspace import Outcome, Workspace

_REPORT = f"{PACKAGE}/report.html"
_REPORTS = {_REPORT: "Report of the model", DATA_REPORT: "What was found in the data"}
TOLD_WITHIN_S = 60.0  # of a verdict: a server that was killed is there again by then
_WHEN = "They open while `diptych ui` runs in the workspace."
P = ParamSpec("P")


def shown(publishes: Callable[P, None]) -> Callable[P, None]:
    """Have what only shows something stop no run, and hide no fault of one: where a server is away, a line says what is not shown."""

    @wraps(publishes)
    def quietly(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            publishes(*args, **kwargs)
        except (HTTPError, OSError, PrefectException, DiptychError) as err:
            print(
                f"not shown on the run's page ({publishes.__name__}): {without_password(str(err))}",
                file=sys.stderr,
                flush=True,
            )

    return quietly


@shown
def publish(stage: str, workspace: Workspace) -> None:
    """Publish what this stage has to show, which for most is nothing. Call it inside a flow."""
    runs = workspace.root / "runs" / workspace.recipe
    if stage == "validate":
        _file("validation", "What was found in the data", workspace.root / "data" / "validated" / "report.html")
    if stage == "evaluate":
        _metrics(workspace.recipe, json.loads((runs / "evaluate" / "metrics.json").read_text()))
    if stage == "package":
        _examples(workspace, runs / "package")


@shown
def publish_work(workspace: Workspace, outcomes: Sequence[tuple[Workspace, Outcome]]) -> None:
    """Publish what ran, what was cached, what it took, where its curves and reports are, and the data it was made from. Call it inside a flow, also of a run that failed."""
    rows = [row(its, outcome) for its, outcome in outcomes]
    data, root = data_of(workspace.root), workspace.root
    made = {"validate": root / "data/validated/report.html", "package": workspace.package / "report.html"}
    reports = [made[one.stage] for its, one in outcomes if its.recipe == workspace.recipe and one.stage in made]
    said = [
        as_markdown(rows, price(root)),
        "\n".join([f"- [Curves and runs in MLflow]({mlflow_page(root)})", *(f"- `{path}`" for path in reports)]),
        *([f"Data {data['digest']}: {data['samples']:,} samples from {data['source']}."] if data else []),
    ]
    create_markdown_artifact(
        "\n\n".join(said), key=artifact_key(f"work-{workspace.recipe}"),
        description="What ran, what was there already, and what it took",
    )  # fmt: skip


@shown
def publish_served(model: str, sentence: str, root: Path) -> None:
    """Publish what became of a deploy or a rollback, and where to ask it. Call it inside a flow."""
    gateway, page = read_gateway(root), mlflow_page(root)
    lines = [sentence, "", f"- [{model} in the registry]({page}/{model_link(model)})"]
    if gateway is not None:
        lines.append(f"- [The page that asks it]({gateway.url})")
    create_markdown_artifact("\n".join(lines), key=artifact_key(f"served-{model}"), description=sentence)


@shown
def publish_version(root: Path, label: str, package: Path | None = None) -> None:
    """Publish where a version such as clip@3, its curves and its reports are, what data it was made from, and how well it does. Call it inside a flow.

    Args:
        package: the folder that it was registered from, where this run made it or found it whole, and has shown how well it does.
    """
    page, store = mlflow_page(root), open_store(root)
    version, folders = by_label(store, label), {path.partition("/")[0] for path in _REPORTS}
    with store_errors(store.uri):
        run, has = store.client.get_run(version.run_id), set[str]()
        with suppress(
            Exception
        ):  # whatever a client of the place of the files says: what cannot be listed is not linked
            has = {one.path for folder in folders for one in store.client.list_artifacts(version.run_id, folder)}
    here = (
        {} if package is None else {_REPORT: package / "report.html", DATA_REPORT: root / "data/validated/report.html"}
    )
    lines = [f"- [Curves and metrics]({page}/{curves_link(store.experiment, version.run_id)})"]
    for path, said in _REPORTS.items():
        if path in has:
            file = f" (`{here[path]}`)" if path in here and here[path].exists() else ""
            lines.append(f"- [{said}]({page}/{artifact_link(store.experiment, version.run_id, path)}){file}")
    lines += [
        f"- [Version {version.label} in the registry]({page}/{version_link(version.name, version.version)})",
        f"- [All runs, side by side]({page}/{experiment_link(store.experiment)})",
        *(
            f"- Data {one.dataset.digest} from {one.dataset.name}"
            for one in (run.inputs.dataset_inputs if run.inputs else ())
        ),
        *(("", _WHEN) if own_mlflow() is None else ()),
    ]
    create_markdown_artifact(
        "\n".join([f"# {version.label}", *lines]), key=artifact_key(f"links-{version.name}"),
        description=f"Curves, reports and registry of {version.label}",
    )  # fmt: skip
    if package is None:
        _metrics(version.name, measured(label, root, store).metrics)


def _metrics(recipe: str, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    table = [{"metric": name, **{key: its[key] for key in SHOWN if key in its}} for name, its in metrics.items()]
    create_table_artifact(table, key=artifact_key(f"metrics-{recipe}"), description="With chance and baseline")


@shown
def publish_ruling(label: str, sentence: str, page: str = "") -> None:
    """Publish what was decided about a version such as clip@3, by rules or by a person, whoever asked: in a flow it is on the run's page.

    Args:
        page: the ruling in Markdown; empty where there was none, and the sentence is all.
    """
    create_markdown_artifact(
        page or f"# {label}\n\n{sentence}\n", key=artifact_key(f"promotion-{label.partition('@')[0]}"), description=f"Whether {label} is served: {sentence}"
    )  # fmt: skip


def publish_decided(verdict: Verdict) -> None:
    """Publish what was decided about the version that the alias was set to, and tell of it where it stays: that it was refused is told by how the run ends."""
    publish_ruling(verdict.version.label, verdict.sentence, verdict.page)
    if verdict.champion is not None and verdict.champion.version == verdict.version.version:
        publish_verdict(verdict.version.label, verdict.sentence)


@shown
def publish_verdict(label: str, sentence: str, within_s: float | None = None) -> None:
    """Tell whoever wants to hear of it what was decided about a version such as clip@3.

    Args:
        within_s: seconds that the server may be away; TOLD_WITHIN_S unless given, which a person at a screen need not wait.
    """
    tell(
        [Event(name=VERDICT, at=datetime.now(UTC), model=label, says=sentence)],
        TOLD_WITHIN_S if within_s is None else within_s,
    )


def _examples(workspace: Workspace, package: Path) -> None:
    """Publish the grid of examples, within the text: no address of a picture would hold on every server."""
    picture = package / "examples.png"
    if picture.exists():
        data = base64.b64encode(picture.read_bytes()).decode()
        create_markdown_artifact(
            f"![What the model finds](data:image/png;base64,{data})\n\n`{package / 'report.html'}` has more.",
            key=artifact_key(f"examples-{workspace.recipe}"), description="Texts, and the pictures nearest to each",
        )  # fmt: skip


def _file(key: str, title: str, path: Path) -> None:
    if path.exists():
        create_markdown_artifact(
            f"{title}: `{path}`\n\nOnce the model is registered, its links artifact opens it here.",
            key=artifact_key(key), description=title,
        )  # fmt: skip


def artifact_key(text: str) -> str:
    """Return what Prefect takes for a key: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
