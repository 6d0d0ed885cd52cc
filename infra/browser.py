"""A headless Chromium, spoken to over its DevTools protocol: opens pages, waits for what they show, takes pictures."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from components.contracts.errors import CapabilityError, DiptychError
from flows.processes import started

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_UP_S = 60.0
STILL_LOOKS = 3  # half a second apart, at which a page looks the same before it counts as drawn
_KEYS = {"Tab": 9, "ArrowRight": 39}  # what Windows calls them, which is what DevTools takes
# As root there is no sandbox to be had; what is opened are pages of this machine alone, and it asks nobody anything.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--hide-scrollbars", "--no-proxy-server", "--remote-debugging-port=0", "--lang=en-GB",
)  # fmt: skip


class Tab:
    """One open tab."""

    def __init__(self, socket: Connection) -> None:
        self._asked: dict[str, str] = {}
        self._complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """Return what the browser answers; DiptychError, with its words, when it refuses."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=START_UP_S))
            self._heard(said)
            if said.get("id") == number:
                if "error" in said:
                    raise DiptychError(f"Chromium refused {method}: {said['error'].get('message')}")
                return dict(said["result"])

    def _heard(self, said: Mapping[str, Any]) -> None:
        """Keep account of what is asked for, and of what the page's console says is wrong."""
        match said.get("method"):
            case "Log.entryAdded" if said["params"]["entry"]["level"] in ("error", "warning"):
                self._complaints.append(said["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" if said["params"]["type"] in ("error", "warning", "assert"):
                self._complaints.append(" ".join(str(one.get("value", "")) for one in said["params"]["args"]))
            case "Runtime.exceptionThrown":
                self._complaints.append(str(said["params"]["exceptionDetails"].get("text")))
            case "Network.requestWillBeSent":
                self._asked[said["params"]["requestId"]] = said["params"]["request"]["url"]
            case "Network.loadingFailed" if said["params"].get("blockedReason"):
                self._asked.pop(said["params"]["requestId"], None)  # it was never sent

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
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def scheme(self, name: str) -> None:
        """Prefer `light` or `dark`, as a person's system does."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, address: str) -> None:
        """Go to an address; what it shows has to be waited for."""
        self.send("Page.navigate", url=address)

    def ask(self, script: str) -> Any:
        """Return the value of an expression in JavaScript; None when it fails."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def wait(self, script: str, timeout_s: float = 60.0) -> None:
        """Wait until an expression is true; DiptychError, with what the page says then, when it does not come to be."""
        deadline = time.monotonic() + timeout_s
        while not self.ask(script):
            if time.monotonic() > deadline:
                shown = str(self.ask("location.href + ' says: ' + document.body.innerText"))[:600]
                raise DiptychError(f"{script} did not come true in {timeout_s:.0f} s. {shown}")
            time.sleep(0.1)

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
                raise DiptychError(f"{self.ask('location.href')} was still changing after {timeout_s:.0f} s.")
            self.ask("new Promise(done => setTimeout(done, 500))")
            now = self._seen()
            before, same = now, same + 1 if now == before else 0
        return before

    def _seen(self) -> bytes:
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def size(self, width: int, height: int) -> None:
        """Make the page `width` x `height` pixels large."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def strangers(self) -> set[str]:
        """Return the hosts other than this machine that the pages have asked for anything."""
        hosts = {urllib.parse.urlsplit(address).hostname for address in self._asked.values()}
        return {host for host in hosts if host is not None} - {"127.0.0.1", "localhost", "::1"}


@contextmanager
def browser() -> Iterator[Tab]:
    """Yield a tab of a fresh Chromium, which ends with the block; CapabilityError where there is none."""
    binary = find_chromium()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        profile, log = Path(folder), Path(folder) / "log"
        command = [binary, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with started(command, log, {"HOME": folder, "XDG_RUNTIME_DIR": folder}) as process:
            address = _tab_address(profile, process, log)
            try:
                with connect(address, max_size=None, open_timeout=START_UP_S, proxy=None) as socket:
                    tab = Tab(socket)
                    for domain in ("Page", "Network", "Runtime", "Log"):
                        tab.send(f"{domain}.enable")
                    yield tab
            except (WebSocketException, TimeoutError, ConnectionError) as err:
                raise DiptychError(f"Chromium stopped answering ({type(err).__name__}: {err}).") from err


def find_chromium() -> str:
    """Return the browser of this machine; CapabilityError, with how to get one, when there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise CapabilityError(
        f"no Chromium was found (looked for {', '.join(NAMES)}), and pictures of pages need one. "
        "Debian: apt-get install chromium"
    )


def _tab_address(profile: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    """Return where the first tab listens: the browser writes its port down when it is ready."""
    deadline, port_file = time.monotonic() + START_UP_S, profile / "DevToolsActivePort"
    while not (port_file.exists() and port_file.read_text().count("\n") >= 1):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DiptychError(f"Chromium did not start: {log.read_text(errors='replace')[-400:]}")
        time.sleep(0.05)
    port = port_file.read_text().splitlines()[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        with opener.open(f"http://127.0.0.1:{port}/json", timeout=START_UP_S) as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
        if tabs:
            return str(tabs[0]["webSocketDebuggerUrl"])
        if time.monotonic() > deadline:
            raise DiptychError("Chromium started without a tab.")
        time.sleep(0.05)
