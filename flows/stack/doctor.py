"""`diptych doctor`: what is wrong with a machine, each with how to mend it. Starts nothing and changes nothing."""

import os
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import psutil
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.contracts.address import without_login
from components.contracts.errors import CapabilityError, ConfigError, DiptychError, explained
from components.serving.environment import ServingEnvironment
from flows.loopback import is_free
from flows.machine import has_gpu, keeps_time, lacks_driver
from flows.stack.disk import other_disks
from flows.stack.objects import find_weed
from flows.stack.place import Place, is_made
from flows.stack.postgres import find_binaries
from flows.stack.queue import not_watching
from flows.stack.restoring import said_of_restoring
from flows.stack.seen import read_seen

LEAST_DISK_GB, LEAST_MEMORY_GB = 5, 3
MOST_SKEW_S = 120.0
TORCH = ".venv/bin/python -m pip install --force-reinstall --index-url https://pypi.org/simple torch torchvision"
State = Literal["well", "doubtful", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look found.

    Args:
        about: what was looked at, such as disk.
        state: `wrong` where something will not work.
        says: what is so, and how to mend it where it should not be.
    """

    about: str
    state: State
    says: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def examined(root: Path) -> list[Finding]:
    """Return what every look found; of one that failed, what stood in its way."""
    looks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _python, _packages, _programs, _disk, _memory, _gpu, _ports, _clock, _servers, _watchdogs, _restore,
    )  # fmt: skip
    return [finding for look in looks for finding in _looked(look, root)]


def _looked(look: Callable[[Path], Iterator[Finding]], root: Path) -> Iterator[Finding]:
    try:
        yield from look(root)
    except (DiptychError, OSError) as err:
        says = explained(err) if isinstance(err, OSError) else str(err)
        yield Finding(about=look.__name__.removeprefix("_"), state="wrong", says=says)


def as_lines(found: list[Finding]) -> list[str]:
    """Return a line for each, and how many there are to mend."""
    width = max(len(one.about) for one in found)
    wrong = sum(one.state == "wrong" for one in found)
    doubtful = sum(one.state == "doubtful" for one in found)
    end = "Nothing is wrong." if not wrong + doubtful else f"{wrong} to mend, {doubtful} to know of."
    return [*(f"{one.state:<8}  {one.about:<{width}}  {one.says}" for one in found), end]


def _python(root: Path) -> Iterator[Finding]:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    good = here in ("3.11", "3.12")
    says = f"Python {here}" + ("" if good else ", but 3.11 or 3.12 is needed: install one, and make setup")
    yield Finding(about="python", state="well" if good else "wrong", says=says)


def _packages(root: Path) -> Iterator[Finding]:
    """Hold each package that is installed against what pyproject.toml asks for, and against what the images have."""
    named = _asked_for(root)
    if named is None:
        says = "pyproject.toml has no [project] dependencies, so packages are held against nothing"
        yield Finding(about="packages", state="doubtful", says=says)
        return
    asked = [one for one in named if one.marker is None or one.marker.evaluate({"extra": ""})]
    has = {one.name: _installed(one.name) for one in asked}
    wrong = [
        f"{one.name} is not installed" if has[one.name] is None else f"{one.name} is {has[one.name]}, and {one.specifier} is asked for"
        for one in asked
        if has[one.name] is None or not one.specifier.contains(str(has[one.name]), prereleases=True)
    ]  # fmt: skip
    if wrong:
        yield Finding(about="packages", state="wrong", says=f"{'; '.join(wrong)}: make setup")
        return
    pinned = _pinned(root)
    images = {name: pinned.get(canonicalize_name(name)) for name in has}
    other = [f"{name} {its} ({images[name]})" for name, its in has.items() if images[name] not in (its, None)]
    says = f"{len(asked)} are as pyproject.toml asks"
    yield Finding(
        about="packages",
        state="well",
        says=f"{says}; of other versions than images have: {', '.join(other)}" if other else says,
    )


def _asked_for(root: Path) -> list[Requirement] | None:
    """Return what pyproject.toml names, None where it has no list of them; without the file, what it named when we were installed.

    ConfigError for a file that cannot be read.
    """
    file = root / "pyproject.toml"
    if not file.exists():
        return [Requirement(one) for one in requires("diptych") or ()]
    try:
        named = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}).get("dependencies")
        if named is None:
            return None
        if not isinstance(named, list):
            raise TypeError("dependencies is no list")
        return [Requirement(one) for one in named]
    except (ValueError, TypeError, AttributeError) as err:  # what is no TOML, no list, or names no package
        said = (str(err) or type(err).__name__).splitlines()[0]
        raise ConfigError(
            f"pyproject.toml cannot be read, so no package was looked at: {said}. Mend that line of it"
        ) from err


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pinned(root: Path) -> dict[str, str]:
    """Return package, as `canonicalize_name` has it -> the version that images have; nothing where the lock is not there."""
    file = root / "infra" / "locks" / ("cuda.txt" if has_gpu() else "cpu.txt")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    pins = (line.split()[0].partition("==") for line in lines if line.strip())
    return {canonicalize_name(name): its for name, _, its in pins if its}


def _restore(root: Path) -> Iterator[Finding]:
    if said := said_of_restoring(root):
        yield Finding(about="restore", state="wrong", says=said)


def _programs(root: Path) -> Iterator[Finding]:
    for about, find in (("postgresql", find_binaries), ("seaweedfs", find_weed)):
        try:
            yield Finding(about=about, state="well", says=str(find()))
        except DiptychError as err:
            yield Finding(about=about, state="wrong", says=str(err))
    try:
        yield Finding(about="triton", state="well", says=str(ServingEnvironment.find(root).server))
    except CapabilityError as err:  # also of one whose set-up was cut short
        yield Finding(
            about="triton", state="doubtful", says=f"{err} To try its set-up again, which says more: make setup"
        )
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        says = "setpriv is not here, and PostgreSQL refuses to run as root: apt-get install util-linux, or be somebody else"
        yield Finding(about="setpriv", state="wrong", says=says)


def _disk(root: Path) -> Iterator[Finding]:
    yield _room("disk", root)
    yield _room("disk of temporary files", Path(os.environ.get("TMPDIR", "/tmp")))
    for what, folder in other_disks(root).items():
        yield _room(f"disk of {what}", folder)


def _room(about: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 2**30
    little = free < LEAST_DISK_GB
    mend = "; dvc gc -w takes away versions of data that nothing uses" if little else ""
    state: State = "wrong" if free < 1 else "doubtful" if little else "well"
    return Finding(about=about, state=state, says=f"{free:.0f} GB are free at {folder}{mend}")


def _memory(root: Path) -> Iterator[Finding]:
    free = psutil.virtual_memory().available / 2**30
    little = free < LEAST_MEMORY_GB
    mend = "; the servers take up to 3, and a training what diptych estimate says" if little else ""
    yield Finding(about="memory", state="doubtful" if little else "well", says=f"{free:.1f} GB are free{mend}")


def _gpu(root: Path) -> Iterator[Finding]:
    try:
        built = "" if "+cpu" in version("torch") else "cuda"
    except PackageNotFoundError:
        return
    if lacks_driver():
        says = (
            "there is one of NVIDIA's, and no driver shows it, so a processor is used: install the driver (Debian: apt-get install nvidia-driver), "
            "or, in a container, have it given the GPU (docker run --gpus all)"
        )
        yield Finding(about="gpu", state="doubtful", says=says)
    elif has_gpu() and not built:
        says = f"there is a GPU, and torch is one for processors alone. PyPI's is for CUDA: {TORCH}"
        yield Finding(about="gpu", state="doubtful", says=says)
    elif has_gpu() and shutil.which("nvidia-smi") is None:
        yield Finding(
            about="gpu", state="doubtful", says="there is a GPU and no nvidia-smi: install the driver's tools"
        )
    else:
        yield Finding(
            about="gpu",
            state="well",
            says="there is one" if has_gpu() else "there is none; a processor is enough up to laptop",
        )


def _ports(root: Path) -> Iterator[Finding]:
    if not is_made(root):
        return
    seen = read_seen(root)
    if seen is not None:  # they are ours
        return
    taken = [f"{port} ({name})" for name, port in Place.read(root).ports.items() if not is_free(port)]
    if taken:
        says = f"taken by others: {', '.join(taken)}; the next diptych up chooses others"
        yield Finding(about="ports", state="doubtful", says=says)
    else:
        yield Finding(about="ports", state="well", says="those of the servers are free")


def _clock(root: Path) -> Iterator[Finding]:
    ahead = max((path.stat().st_mtime for path in root.glob("*") if path.is_file()), default=0.0) - time.time()
    if ahead > MOST_SKEW_S:
        says = f"a file of the workspace is of {ahead / 60:.0f} minutes from now: the clock went back. Set it (timedatectl set-ntp true)"
        yield Finding(about="clock", state="wrong", says=says)
        return
    if uri := os.environ.get("MLFLOW_TRACKING_URI", ""):
        skew = _skew_s(without_login(uri)) if uri.startswith("http") else None
        if skew is not None and abs(skew) > MOST_SKEW_S:
            says = f"MLflow's server is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}; webhooks and S3 refuse 300: set both clocks"
            yield Finding(about="clock", state="wrong", says=says)
            return
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if keeps_time() is False:
        says = f"{now}, and nobody keeps it right, by what the kernel says; S3 and webhooks refuse who is 300 s off (timedatectl set-ntp true)"
        yield Finding(about="clock", state="doubtful", says=says)
        return
    yield Finding(about="clock", state="well", says=now)


def _skew_s(uri: str) -> float | None:
    """Return how far the clock of a server is ahead of ours, in seconds; None where it does not say."""
    try:
        with build_opener(ProxyHandler({})).open(f"{uri}/health", timeout=5) as answer:
            date = answer.headers.get("date")
    except HTTPError as err:
        date = err.headers.get("date")
    except (URLError, OSError):
        return None
    return None if date is None else parsedate_to_datetime(date).timestamp() - time.time()


def _servers(root: Path) -> Iterator[Finding]:
    seen = read_seen(root)
    if seen is None:
        yield Finding(
            about="servers",
            state="well",
            says="none run; diptych up starts them, and nothing needs them on one machine",
        )
        return
    for one in seen.services:
        state: State = (
            "well" if one.state == "well" and one.starts < 2 else "doubtful" if one.state == "well" else "wrong"
        )
        often = f", started {one.starts} times; {one.log} says why" if one.starts > 1 else ""
        yield Finding(
            about=one.name, state=state, says=f"{one.state} at {one.address}{often}{f': {one.why}' if one.why else ''}"
        )


def _watchdogs(root: Path) -> Iterator[Finding]:
    """Say which automations do not look after runs: whose worker dies then stays as it was for ever, and so does its place on the GPU."""
    if read_seen(root) is None or not (root / "prefect.yaml").exists():  # without deployments none are made
        return
    place = Place.read(root)
    mends = {
        "missing": "diptych down and diptych up make it again", "paused": f"switch it on at {place.url('prefect')}/automations",
    }  # fmt: skip
    for name, how in not_watching(place).items():
        says = f"the automation '{name}' is {how}, so a run whose worker dies may stay as it was for ever, and keep its place: {mends[how]}"
        yield Finding(about="watchdogs", state="doubtful", says=says)
