"""Pictures of what a run leaves to look at: `python -m infra.screenshots` in a workspace with a finished run.

Writes report.png, report-more.png, report-phone.png, page.png, page-phone.png, page-two.png (where two versions are served), prefect.png and mlflow.png. Serves the pages with `diptych ui`, unless they are up already.
"""

import argparse
import io
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from components.contracts.errors import ConfigError, DiptychError
from components.registry.links import curves_link
from components.stages.environment import set_environment
from components.stages.place import private
from flows.pages import Pages
from flows.processes import started
from flows.serving.gateway import ensure_gateway
from flows.shipped import Shipped
from flows.summary import examples_of
from infra.browser import Tab, browser

WIDTH, PHONE = 1400, (390, 844)  # pixels
MOST_BYTES = 300_000
PAGES_S = 240.0
# What a first visit to MLflow opens by itself: its assistant, and a notice on telemetry, which is off.
_VISITED = """
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
"""
# A person would type this into the search field; React hears of it only through the setter it replaced.
_TYPE = """
(() => {{
  const field = [...document.querySelectorAll("input")].find(one => /search metric/i.test(one.placeholder));
  if (!field) return false;
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, {text});
  field.dispatchEvent(new Event("input", {{bubbles: true}}));
  return true;
}})()
"""

_ASK = """
(() => {{
  const field = document.getElementById("words");
  if (!field || !document.getElementById("about").textContent.includes("pictures")) return false;
  field.value = {text};
  field.dispatchEvent(new Event("input"));
  return true;
}})()
"""
_SHOWN = """
(() => {
  const seen = [...document.querySelectorAll(".hits img")].filter((one) => one.getBoundingClientRect().top < innerHeight);
  return seen.length > 2 && seen.every((one) => one.complete && one.naturalWidth);
})()
"""  # those further down load once somebody scrolls to them


def main() -> int:
    """Write the pictures, and say where; the exit code is 0 when all were."""
    parser = argparse.ArgumentParser(prog="python -m infra.screenshots", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--to", type=Path, default=Path("docs/images"), help="the folder for the pictures (docs/images)"
    )
    arguments = parser.parse_args()
    set_environment()
    try:
        for path in screenshots(Path.cwd(), arguments.to):
            print(f"{path} {path.stat().st_size / 1000:.0f} kB")
    except (DiptychError, OSError) as err:
        print(f"screenshots: {err}", file=sys.stderr)
        return 1
    return 0


def screenshots(root: Path, folder: Path) -> Iterator[Path]:
    """Yield each picture as it is written.

    Raises ConfigError when no run has finished here, CapabilityError without a Chromium, DiptychError when a page does
    not show what it should, or asks another host for anything.
    """
    recipe = str(next(iter(yaml.safe_load((root / "params.yaml").read_text())["recipes"])))
    shipped = Shipped.read(root, recipe)
    if shipped is None:
        raise ConfigError(
            f"no run of {recipe} has finished in {root}, so there is nothing to picture. First: diptych run"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with browser() as tab:
        tab.open((root / "runs" / recipe / "package" / "report.html").resolve().as_uri())
        tab.wait_for_text(recipe)
        yield _kept(tab, folder / "report.png", 1600)
        tab.ask("document.getElementById('confusion').scrollIntoView()")
        yield _kept(tab, folder / "report-more.png", 2500)
        tab.scheme("dark")
        tab.size(*PHONE)  # before it scrolls: what is narrow is longer
        tab.ask("document.getElementById('map').scrollIntoView()")
        yield _kept(tab, folder / "report-phone.png", PHONE[1], PHONE[0])
        tab.scheme("light")
        if shipped.unserved is None:
            yield from search_pages(tab, ensure_gateway(root).url, examples_of(root)[0], folder)
        with served(root) as pages:
            tab.open(f"{pages.prefect}/v2/runs/flow-run/{_flow_run(pages)}?tab=Artifacts")
            tab.wait_for_text(f"metrics-{recipe}", f"links-{recipe}", f"examples-{recipe}")
            yield _kept(tab, folder / "prefect.png", 1050)
            tab.before(_VISITED)
            experiment, run_id = _mlflow_run(pages, shipped)
            tab.open(f"{pages.mlflow}/{curves_link(experiment, run_id)}")
            tab.wait(_TYPE.format(text=json.dumps("^(train.(loss|lr|scale)|val)")))
            tab.wait("document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length >= 4")
            yield _kept(tab, folder / "mlflow.png", 900)
        if strangers := tab.strangers():
            raise DiptychError(f"the pages asked other hosts for something: {', '.join(sorted(strangers))}")


def search_pages(tab: Tab, url: str, words: str, folder: Path) -> Iterator[Path]:
    """Yield pictures of a gateway's page once it shows what some words find: at a desk, on a phone in the dark, and of two versions side by side where two are served."""
    for name, (width, height) in {"page.png": (WIDTH, 1000), "page-phone.png": PHONE}.items():
        tab.scheme("dark" if width < WIDTH else "light")
        tab.size(width, height)
        tab.open("about:blank")
        tab.open(url)
        tab.wait(_ASK.format(text=json.dumps(words)))
        tab.wait(_SHOWN)
        yield _kept(tab, folder / name, height, width)
    tab.scheme("light")
    if not tab.ask("document.getElementById('both').hidden"):
        tab.size(WIDTH, 1000)
        tab.ask("document.getElementById('compare').click()")
        tab.wait("document.querySelectorAll('.hits').length == 2")
        tab.wait(_SHOWN)
        yield _kept(tab, folder / "page-two.png", 1000)


@contextmanager
def served(root: Path) -> Iterator[Pages]:
    """Yield the pages of a workspace, served while the block runs if nobody serves them already."""
    if pages := Pages.read(root):
        yield pages
        return
    log = private(root, "logs") / "screenshots-ui.log"
    log.write_bytes(b"")
    with started([sys.executable, "-m", "flows.cli", "ui"], log, cwd=root) as process:
        yield _ready(root, process, log)


def _ready(root: Path, process: subprocess.Popen[bytes], log: Path) -> Pages:
    deadline = time.monotonic() + PAGES_S
    while (pages := Pages.read(root)) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise DiptychError(f"diptych ui did not come up: {log.read_text()[-400:]}")
        time.sleep(0.2)
    return pages


def _kept(tab: Tab, path: Path, height: int, width: int = WIDTH) -> Path:
    """Write what the tab shows once it stands still, in as many colours as fit into MOST_BYTES."""
    sheet = Image.open(io.BytesIO(tab.still(width, height))).convert("RGB")
    for colours in (256, 128, 64):
        sheet.quantize(colours).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return path
    raise DiptychError(
        f"{path} has {path.stat().st_size:,} bytes even in 64 colours; at most {MOST_BYTES:,} are wanted."
    )


def _flow_run(pages: Pages) -> str:
    """Return the id of the last run of the flow that went through."""
    wanted = {
        "sort": "START_TIME_DESC", "limit": 1,
        "flow_runs": {"operator": "and_", "state": {"type": {"any_": ["COMPLETED"]}}},
        "flows": {"name": {"any_": ["pipeline"]}},
    }  # fmt: skip
    found = _asked(f"{pages.prefect}/api/flow_runs/filter", wanted)
    if not found:
        raise DiptychError(f"{pages.prefect} knows no finished run of the flow. Run it once: diptych run")
    return str(found[0]["id"])


def _mlflow_run(pages: Pages, shipped: Shipped) -> tuple[str, str]:
    """Return experiment and run of what was registered last."""
    name, _, version = shipped.version.partition("@")
    query = urllib.parse.urlencode({"name": name, "version": version})
    run_id = _asked(f"{pages.mlflow}/api/2.0/mlflow/model-versions/get?{query}")["model_version"]["run_id"]
    run = _asked(f"{pages.mlflow}/api/2.0/mlflow/runs/get?{urllib.parse.urlencode({'run_id': run_id})}")["run"]
    return str(run["info"]["experiment_id"]), str(run_id)


def _asked(address: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
