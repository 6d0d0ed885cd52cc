"""Where MLflow's page shows things: as links within the page, so that they hold whatever its address and port are."""

from urllib.parse import quote, urlencode

PACKAGE = "package"  # the folder of a run's artifacts that holds its model
DATA_REPORT = "data/report.html"  # beside it: what validation found
_VIEW = "?workflowType=machine_learning"  # else MLflow shows its tools for chat models around it


def experiment_link(experiment: str) -> str:
    """Return where all runs are, side by side."""
    return f"#/experiments/{experiment}/runs{_VIEW}"


def curves_link(experiment: str, run_id: str) -> str:
    """Return where the curves of a run are."""
    return f"#/experiments/{experiment}/runs/{run_id}/model-metrics{_VIEW}"


def artifact_link(experiment: str, run_id: str, path: str) -> str:
    """Return where a file of a run is shown."""
    return f"#/experiments/{experiment}/runs/{run_id}/artifacts/{quote(path)}{_VIEW}"


def model_link(name: str) -> str:
    """Return where all versions of a model are."""
    return f"#/models/{quote(name)}{_VIEW}"


def version_link(name: str, version: str) -> str:
    """Return where a version of the registry is."""
    return f"#/models/{quote(name)}/versions/{version}{_VIEW}"


def description(experiment: str, run_id: str, files: set[str]) -> str:
    """Return what a run and its version say of themselves, in Markdown.

    Args:
        files: names of what the package holds.
    """
    named = {"report.html": "report: metrics, curves, what it finds", "model_card.md": "model card"}
    links = [
        f"[{said}]({artifact_link(experiment, run_id, f'{PACKAGE}/{name}')})"
        for name, said in named.items()
        if name in files
    ]
    text = " · ".join([*links, f"[curves]({curves_link(experiment, run_id)})"])
    if "examples.png" not in files:
        return text
    source = urlencode({"path": f"{PACKAGE}/examples.png", "run_uuid": run_id})
    return f"{text}\n\n![what it finds](get-artifact?{source})"
