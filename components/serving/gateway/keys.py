"""Who may ask: keys of which only the hash is kept, with an end and a rate of their own.

A key is 256 random bits, so one SHA-256 of it is as good as any slow hash: there is nothing to guess.
Where a workspace has no key, whoever can reach the gateway may ask, which by itself is this machine alone.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.contracts.errors import ConfigError, StaleArtifact
from components.serving.endpoint import served_folder

LOG = logging.getLogger("diptych.gateway")
PREFIX = "dip_"
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is known of a key.

    Args:
        name: whose it is, or what for.
        sha256: of the key, 64 hexadecimal digits.
        made_at: ISO 8601, UTC.
        ends_at: ISO 8601, UTC; None for never.
        per_minute: requests that it may make; None for any number.
    """

    name: str
    sha256: str
    made_at: str
    ends_at: str | None = None
    per_minute: float | None = None

    def ended(self, now: datetime) -> bool:
        """Return whether its time is over."""
        return self.ends_at is not None and datetime.fromisoformat(self.ends_at) <= now


def keys_file(root: Path) -> Path:
    """Return where the keys of a workspace are."""
    return served_folder(root) / "keys.json"


def read_keys(root: Path) -> tuple[Key, ...]:
    """Return all keys; StaleArtifact where the file cannot be read, since nobody may be let in then."""
    path = keys_file(root)
    try:
        return tuple(Key(**one) for one in json.loads(path.read_text(encoding="utf-8"))["keys"])
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as err:
        raise StaleArtifact(
            f"{path} cannot be read ({type(err).__name__}: {err}), so nobody is let in. Take it away and make keys anew at once: diptych keys add"
        ) from err


def add_key(root: Path, name: str, days: float | None = None, per_minute: float | None = None) -> str:
    """Return a new key, which is shown this once. ConfigError for a name that has one, and for numbers that let nobody in."""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ConfigError("a key needs a name of 1 to 100 characters, such as who it is for: diptych keys add anna")
    if days is not None and not 0 < days <= 36_500:
        raise ConfigError(f"the key would be good for {days:g} days; give more than 0, or leave --days out for no end")
    if per_minute is not None and not per_minute > 0:
        raise ConfigError(f"{per_minute:g} requests a minute let nobody ask; give more than 0, or leave it out")
    token, now = PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
    ends_at = None if days is None else (now + timedelta(days=days)).isoformat(timespec="seconds")
    with _writing(root) as keys:
        if any(key.name == name for key in keys):
            raise ConfigError(
                f"{name} has a key already. Remove it first (diptych keys remove {name}), or give another name."
            )
        keys.append(
            Key(name=name, sha256=digest(token), made_at=now.isoformat(timespec="seconds"), ends_at=ends_at, per_minute=per_minute)
        )  # fmt: skip
    return token


def remove_key(root: Path, name: str) -> None:
    """Take a key back, from the next request on; ConfigError where there is none of that name."""
    with _writing(root) as keys:
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            raise ConfigError(
                f"there is no key {name}; there is {', '.join(key.name for key in keys) or 'none at all'}"
            )
        keys[:] = left


def digest(token: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _writing(root: Path) -> Iterator[list[Key]]:
    path = keys_file(root)
    for private in (path.parent.parent, path.parent):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path.parent / "keys.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = list(read_keys(root))
        yield keys
        partial = path.with_name(f"keys.json.{os.getpid()}")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
        partial.replace(path)


class Keyring:
    """The keys as a gateway asks for them; the file is read again when it has changed.

    Args:
        root: of the workspace.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._looked = float("-inf")
        self._stamp: object = None
        self._keys: dict[str, Key] = {}
        self.closed = False

    @property
    def asks(self) -> bool:
        """Return whether a key is needed: there are some, or once were."""
        self._look()
        return self.closed or bool(self._keys)

    def found(self, token: str) -> Key | None:
        """Return whose key it is, None where it is nobody's."""
        self._look()
        return self._keys.get(digest(token))

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        try:
            stamp = self._stamped()
            if stamp == self._stamp and not self.closed:
                return
            self._keys = {key.sha256: key for key in read_keys(self._root)}
            self._stamp, self.closed = stamp, stamp is not None and not self._keys
        except (StaleArtifact, OSError) as err:
            if not self.closed:
                LOG.error("nobody may ask: the keys cannot be read (%s)", err)
            self._keys, self.closed = {}, True

    def _stamped(self) -> tuple[int, int] | None:
        try:
            about = keys_file(self._root).stat()
        except FileNotFoundError:
            return None
        return about.st_mtime_ns, about.st_ino
