"""A headless Chromium, driven by Playwright: opens pages, waits for what they show, takes pictures."""

import json
import shutil
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.contracts.errors import CapabilityError, DiptychError

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_UP_S = 60.0
STILL_LOOKS = 3  # half a second apart, at which a page looks the same before it counts as drawn
# As root there is no sandbox to be had; what is opened are pages of this machine alone, and it asks nobody anything.
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-sync", "--hide-scrollbars", "--no-proxy-server", "--lang=en-GB")
_WRONG = ("error", "warning", "assert")


class Tab:
    """One open tab."""

    def __init__(self, page: "Page") -> None:
        self._page = page
        self._devtools = page.context.new_cdp_session(page)
        self._asked: dict[str, str] = {}
        self._complaints: list[str] = []
        for domain in ("Network", "Log", "Runtime"):  # Playwright leaves out icons, and what workers log
            self._devtools.send(f"{domain}.enable")
        for event, heard in {
            "Network.requestWillBeSent": self._sent, "Network.loadingFailed": self._failed, "Log.entryAdded": self._logged, "Runtime.consoleAPICalled": self._said,
            "Runtime.exceptionThrown": self._raised,
        }.items():  # fmt: skip
            self._devtools.on(event, heard)
        page.set_default_timeout(1000 * START_UP_S)

    def _sent(self, said: dict[str, Any]) -> None:
        self._asked[said["requestId"]] = said["request"]["url"]

    def _failed(self, said: dict[str, Any]) -> None:
        if said.get("blockedReason"):
            self._asked.pop(said["requestId"], None)  # it was never sent

    def _logged(self, said: dict[str, Any]) -> None:
        if said["entry"]["level"] in _WRONG:
            self._complaints.append(said["entry"]["text"])

    def _said(self, said: dict[str, Any]) -> None:
        if said["type"] in _WRONG:
            self._complaints.append(" ".join(str(one.get("value", "")) for one in said["args"]))

    def _raised(self, said: dict[str, Any]) -> None:
        self._complaints.append(str(said["exceptionDetails"].get("text")))

    @property
    def asked(self) -> tuple[str, ...]:
        """Return every address that the pages have asked for and that was not held back, `data:` left out."""
        return tuple(address for address in self._asked.values() if not address.startswith("data:"))

    @property
    def complaints(self) -> tuple[str, ...]:
        """Return what the console of the pages said is wrong."""
        return tuple(self._complaints)

    def press(self, key: str) -> None:
        """Press and let go of a key, such as `Tab`."""
        self._page.keyboard.press(key)

    def scheme(self, name: Literal["light", "dark"]) -> None:
        """Prefer `light` or `dark`, as a person's system does."""
        self._page.emulate_media(color_scheme=name)

    def touch(self, enabled: bool) -> None:
        """Be a screen that fingers touch, or none."""
        self._devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": enabled})

    def choose(self, selector: str, path: Path) -> None:
        """Give a file to a field that asks for one."""
        self._page.set_input_files(selector, path)

    def before(self, script: str) -> None:
        """Run a script in each page that is opened from now on, before its own."""
        self._page.add_init_script(script)

    def open(self, address: str) -> None:
        """Go to an address; what it shows has to be waited for. What is not there ends the block of `browser`."""
        self._page.goto(address, wait_until="commit")

    def ask(self, script: str) -> Any:
        """Return the value of an expression in JavaScript; None when it fails.

        By DevTools, since Page.evaluate() runs it by eval(), which pages may forbid, and calls what is a function.
        """
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        said: Mapping[str, Any] = self._devtools.send("Runtime.evaluate", asked)
        return said["result"].get("value")

    def wait(self, script: str, timeout_s: float = 60.0) -> None:
        """Wait until an expression is true; DiptychError, with what the page says then, when it does not come to be."""
        deadline = time.monotonic() + timeout_s
        while not self.ask(script):
            if time.monotonic() > deadline:
                shown = str(self.ask("location.href + ' says: ' + document.body.innerText"))[:600]
                raise DiptychError(f"{script} did not come true in {timeout_s:.0f} s. {shown}")
            self._page.wait_for_timeout(100)

    def wait_for_text(self, *texts: str, timeout_s: float = 60.0) -> None:
        """Wait until the page shows each of the texts."""
        for text in texts:
            self.wait(f"document.body && document.body.innerText.includes({json.dumps(text)})", timeout_s)

    def still(self, width: int, height: int, timeout_s: float = 30.0) -> bytes:
        """Return what is seen as PNG, `width` x `height` pixels, once it has stood still for a while.

        What has to be seen is to be waited for before: a page that is still may be one that waits for its data.
        """
        self.size(width, height)
        deadline, before, same = time.monotonic() + timeout_s, b"", 0
        while same < STILL_LOOKS:
            if time.monotonic() > deadline:
                raise DiptychError(f"{self._page.url} was still changing after {timeout_s:.0f} s.")
            self._page.wait_for_timeout(500)
            now = self._page.screenshot()
            before, same = now, same + 1 if now == before else 0
        return before

    def size(self, width: int, height: int) -> None:
        """Make the page `width` x `height` pixels large."""
        self._page.set_viewport_size({"width": width, "height": height})

    def strangers(self) -> set[str]:
        """Return the hosts other than this machine that the pages have asked for anything."""
        hosts = {urllib.parse.urlsplit(address).hostname for address in self._asked.values()}
        return {host for host in hosts if host is not None} - {"127.0.0.1", "localhost", "::1"}


@contextmanager
def browser() -> Iterator[Tab]:
    """Yield a tab of a fresh Chromium, which ends with the block; CapabilityError where there is none, DiptychError, with its words, where it cannot do what it is told.

    Meanwhile no other event loop runs in this thread: Playwright has one there.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as err:
        raise CapabilityError(
            "no Playwright is installed, and pictures of pages need it: pip install playwright"
        ) from err
    binary = find_chromium()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:  # fmt: skip
        try:
            chromium = playwright.chromium.launch(
                executable_path=binary, args=list(_FLAGS), timeout=1000 * START_UP_S,
                env={"HOME": folder, "XDG_RUNTIME_DIR": folder, "TMPDIR": folder, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
            )  # fmt: skip
            with chromium:
                yield Tab(chromium.new_page())
        except Error as err:
            raise DiptychError(f"Chromium could not do it: {err.message}") from err


def find_chromium() -> str:
    """Return the browser of this machine; CapabilityError, with how to get one, when there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise CapabilityError(
        f"no Chromium was found (looked for {', '.join(NAMES)}), and pictures of pages need one. "
        "Debian: apt-get install chromium"
    )
