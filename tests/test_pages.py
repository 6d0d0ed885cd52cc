"""The pages that people open, in a real Chromium: on a phone and a desk, light and dark, by keyboard, and offline."""

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError
from components.curation.page import render_page
from components.evaluation.outcomes import Evaluated
from components.evaluation.side_by_side import page as side_by_side
from infra.browser import Tab, browser, find_chromium
from tests.components.monitoring.conftest import Served, directions

pytestmark = pytest.mark.timeout(900)

PHONE, DESK = (360, 740), (1280, 900)  # pixels
NAMES = ("report", "side_by_side", "validation", "curation", "monitor")
REACHABLE = "a[href], summary, [tabindex='0']"
"""What a person who has no mouse has to come to."""


def needed(what: str) -> None:
    """Skip where something is missing; in CI that is a fault."""
    if os.environ.get("CI"):
        raise AssertionError(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def pages(own: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a real run, and those made of its numbers."""
    made = tmp_path_factory.mktemp("pages")
    first, second = (Evaluated.read(own / "runs/clip/evaluate", label) for label in ("clip@1", "clip@2"))
    (made / "side_by_side.html").write_text(side_by_side(first, second))
    step = {
        "op": "Dedup", "rows_in": 60, "rows_out": 58, "made": 0, "dropped": {"duplicate": 2}, "examples": {"duplicate": ["0001", "0002"]},
        "stats": {"threshold": 0.5},
    }  # fmt: skip
    (made / "curation.html").write_text(render_page("clip", [step]))
    watched = Served(made / "watched")
    (watched.root / ".diptych/served").mkdir(parents=True)
    watched.deploy()
    watched.ask(directions(5, 100, shift=2), status=500)
    watched.look()
    return {
        "monitor": watched.root / ".diptych/monitor/report.html", "report": own / "runs/clip/package/report.html", "validation": own / "data/validated/report.html",
        "side_by_side": made / "side_by_side.html", "curation": made / "curation.html",
    }  # fmt: skip


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    try:
        find_chromium()
    except CapabilityError as err:
        needed(str(err))
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core, as the package carries it; what drives a browser of its own there is not loaded."""
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        needed("no axe-core: infra/setup.sh test")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


BAD = """<!doctype html><html lang=en><title>bad</title><p style="color:#ccc;background:#fff">pale</p><div style="width:900px">wide</div>
<img src=missing.png><img src=data:image/png;base64,broken alt=broken><script>console.error("heard"); throw Error("raised")</script>"""


def broken(tab: Tab) -> int:
    """Count pictures that are not there, or that nobody who does not see them is told of."""
    return int(
        tab.ask(
            "[...document.images].filter(one => !one.complete || !one.naturalWidth || !one.hasAttribute('alt')).length"
        )
    )


def serious(tab: Tab, axe: str) -> list[list[object]]:
    """Return what axe-core finds that keeps somebody from the page."""
    tab.ask(axe)
    told = "its.violations.map(one => [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 200)])"
    found = tab.ask(f"axe.run().then(its => ({{passed: its.passes.length, wrong: {told}}}))")
    assert found is not None, "axe ran"
    assert found["passed"] > 5, "and looked at something"
    return [one for one in found["wrong"] if one[0] in ("serious", "critical")]


def opened(tab: Tab, path: Path, size: tuple[int, int] = DESK, scheme: str = "light") -> Tab:
    """Show a page with all that unfolds open."""
    tab.scheme(scheme)
    tab.size(*size)
    tab.open(path.as_uri())
    tab.wait(f"location.href == {json.dumps(path.as_uri())} && document.readyState == 'complete'")
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    return tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_no_serious_fault(tab, pages, axe, name, size, scheme):
    opened(tab, pages[name], size, scheme)
    assert serious(tab, axe) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_phone_scrolls_no_page_sideways(tab, pages, name):
    opened(tab, pages[name], PHONE)
    assert tab.ask("document.documentElement.scrollWidth") == PHONE[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_there_and_nothing_is_asked_for_but_the_page_itself(tab, pages, name):
    before = len(tab.asked), len(tab.complaints)
    opened(tab, pages[name])
    assert broken(tab) == 0
    assert set(tab.asked[before[0] :]) == {pages[name].as_uri()}
    assert tab.complaints[before[1] :] == ()


def test_what_is_wrong_with_a_page_would_be_seen(tab, axe, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(BAD)
    before = len(tab.asked), len(tab.complaints)
    opened(tab, page, PHONE)
    assert {one[1] for one in serious(tab, axe)} >= {"color-contrast", "image-alt"}
    assert broken(tab) == 2
    assert tab.ask("document.documentElement.scrollWidth") > PHONE[0]
    assert (tmp_path / "missing.png").as_uri() in tab.asked[before[0] :]
    heard = " ".join(tab.complaints[before[1] :])
    assert "heard" in heard
    assert "ERR_FILE_NOT_FOUND" in heard
    assert "Uncaught" in heard


def test_the_report_has_pictures_in_its_galleries_and_on_its_map(tab, pages):
    opened(tab, pages["report"])
    assert tab.ask("document.images.length") > 20
    loads = "[...document.querySelectorAll('svg image')].map(one => one.href.baseVal).map(one => {let its = new Image(); its.src = one; return its.decode().then(() => its.naturalWidth)})"
    widths = tab.ask(f"Promise.all({loads})")
    assert len(widths) > 3
    assert min(widths) > 0


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", NAMES)
def test_tab_comes_to_every_link_and_every_table_in_order(tab, pages, name, size):
    opened(tab, pages[name], size)
    tab.ask(f"[...document.querySelectorAll({json.dumps(REACHABLE)})].forEach((one, at) => one.dataset.at = at)")
    count = tab.ask(f"document.querySelectorAll({json.dumps(REACHABLE)}).length")
    assert count > 1
    reached = []
    for _ in range(count):
        tab.press("Tab")
        reached.append(tab.ask("Number(document.activeElement.dataset.at)"))
    assert reached == list(range(count))
    unreachable = tab.ask(
        "[...document.querySelectorAll('table')].filter(one => !one.closest('[tabindex=\"0\"]')).length"
    )
    assert unreachable == 0


def test_the_first_link_skips_to_the_content_and_a_wide_table_scrolls_by_arrow(tab, pages):
    opened(tab, pages["report"], PHONE)
    tab.press("Tab")
    assert tab.ask("document.activeElement.getAttribute('href')") == "#content"
    tab.ask("document.querySelector('.scroll').focus()")
    assert tab.ask("document.activeElement.scrollWidth > document.activeElement.clientWidth"), "wider than a phone"
    tab.press("ArrowRight")
    tab.wait("document.activeElement.scrollLeft > 0", timeout_s=10)


def test_what_scrolls_says_what_it_is(tab, pages):
    opened(tab, pages["report"])
    labels = tab.ask("[...document.querySelectorAll('.scroll')].map(one => one.getAttribute('aria-label'))")
    assert len(labels) > 10
    assert all(labels)
    assert len(set(labels)) == len(labels)
