"""Workspaces that share nothing but a remote of DVC's: what a stage needs is fetched before it, what it made is there before it counts as done.

DIPTYCH_REMOTE names the remote. Beside DVC's own files lie `lock/<stage>/<digest>.json` in it: entries of dvc.lock, each by a digest of the code, numbers
and inputs that it is of. So whoever is about to run a stage looks whether somebody has done just that, and an entry of anything else is never met.
It is written after the outputs have arrived: what it names is there. (`dvc repro --pull` would do half of this: it takes the outputs of stages whose
entries it has, and cannot tell a lost connection from a mistake.)
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import ConfigError, TransientError
from components.contracts.plain_yaml import load_yaml
from components.data.remote.s3 import EXPIRED
from components.stages.place import private
from flows.data.remote import move
from flows.graph import inputs_in, inputs_of, listed, missing_inputs

VARIABLE = "DIPTYCH_REMOTE"
FOLDER = "lock"  # beside DVC's `files`
ENTRY_BYTES = 2**26  # more than any entry has
READ_AFTERWARDS = ("evaluate", "package")
"""Stages whose outputs registry, promotion and pages read, so that they are brought here even if nothing has to run."""


class Shared:
    """The remote, for one workspace.

    Args:
        root: of the workspace.
        remote: its name, as DVC knows it.
    """

    def __init__(self, root: Path, remote: str) -> None:
        self._root, self._remote = root, remote

    @classmethod
    def of(cls, root: Path) -> "Shared | None":
        """Return the remote that the environment names; None where it names none."""
        name = os.environ.get(VARIABLE)
        return cls(root, name) if name else None

    def take(self, addresses: Sequence[str]) -> None:
        """Have dvc.lock say of these stages, the first ones first, what somebody made of the code, numbers and inputs of now.

        An entry from here stays as long as it is of these. Errors as of `flows.data.remote.data_remote`.
        """
        for address in addresses:
            now, here = inputs_of(self._root, address, self._remote), self._entries().get(address)
            if (here is None or inputs_in(here) != now) and (theirs := self._read(address, now)) is not None:
                self._write_entry(address, theirs)

    def has(self, address: str) -> bool:
        """Return whether the remote has what dvc.lock says that a stage makes of the code, numbers and inputs of now, so that it need not run."""
        theirs = self._read(address, inputs_of(self._root, address, self._remote))
        return theirs is not None and theirs == self._entries().get(address)

    def bring_inputs(self, address: str) -> None:
        """Fetch what a stage reads of others and is not here."""
        if missing := missing_inputs(self._root, address):
            self.bring(*missing)

    def bring(self, *targets: str) -> None:
        """Fetch outputs, by path or by the stage that makes them."""
        move(self._root, "pull", self._remote, targets)

    def bring_known(self, *paths: str) -> None:
        """Fetch those files that are not here and that the lists of outputs have."""
        if found := listed(self._root, [path for path in paths if not (self._root / path).exists()], self._remote):
            self.bring(*found)

    def hand_on(self, address: str, anew: bool = False) -> None:
        """Have the remote hold what a stage made, then say so; nothing where it does already, unless that turned out to be gone.

        Raises TransientError where it did not arrive: all of it is still here, and the next try goes on with the rest.
        """
        entry = self._entries().get(address)
        if entry is None or (not anew and entry == self._read(address, inputs_in(entry))):
            return
        move(self._root, "push", self._remote, [address])
        with tempfile.NamedTemporaryFile("w", dir=private(self._root, "tmp"), suffix=".json") as file:
            json.dump({"stage": address, "entry": entry}, file)
            file.flush()
            fs, path = self._place(address, inputs_in(entry))
            try:
                fs.makedirs(fs.parent(path), exist_ok=True)
                fs.put_file(file.name, path)
            except _faults() as err:
                raise self._fault(address, "written", err) from err

    def _read(self, address: str, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the remote's entry of a stage and these inputs; None where it has none, or one that nobody can read."""
        fs, path = self._place(address, inputs)
        try:
            # With an end: all of it would be asked for by HEAD, which S3 answers without a reason.
            said = json.loads(fs.cat_file(path, start=0, end=ENTRY_BYTES))
        except FileNotFoundError:
            return None
        except ValueError:
            return None
        except _faults() as err:
            if _code(err) == "InvalidRange":  # there is nothing in it
                return None
            raise self._fault(address, "read", err) from err
        entry = said.get("entry") if isinstance(said, dict) and said.get("stage") == address else None
        return entry if isinstance(entry, dict) and inputs_in(entry) == inputs else None

    def _place(self, address: str, inputs: Mapping[str, Any]) -> tuple[Any, str]:
        """Return the remote's file system, and where the entry of a stage and these inputs is in it."""
        fs, path = self._opened
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()
        return fs, fs.join(path, FOLDER, address, f"{digest}.json")

    @cached_property  # to make a client of S3 takes longer than to ask it
    def _opened(self) -> tuple[Any, str]:
        from dvc.config import ConfigError as NoSuchRemote
        from dvc.repo import Repo

        with Repo(str(self._root), config={"core": {"site_cache_dir": str(private(self._root, "dvc"))}}) as repo:
            try:
                remote = repo.cloud.get_remote(self._remote)
            except NoSuchRemote as err:
                raise ConfigError(
                    f"{VARIABLE} is {self._remote!r}, and DVC knows no such remote, so nothing can be handed on. It knows "
                    f"{', '.join(repo.config['remote']) or 'none'}. Name one of these, or add it: dvc remote add --local {self._remote} s3://BUCKET/FOLDER"
                ) from err
            return remote.fs, remote.path

    def _entries(self) -> dict[str, Any]:
        try:
            entries: dict[str, Any] = load_yaml((self._root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        except FileNotFoundError:
            return {}
        return entries

    def _write_entry(self, address: str, entry: dict[str, Any]) -> None:
        """Put an entry into dvc.lock, so that a reader sees the old file or the new one."""
        path = self._root / "dvc.lock"
        partial = private(self._root, "tmp") / f"dvc.lock.{os.getpid()}"
        said = {"schema": "2.0", "stages": self._entries() | {address: entry}}
        partial.write_text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), encoding="utf-8")
        partial.replace(path)

    def _fault(self, address: str, done: str, err: BaseException) -> Exception:
        what = f"what is known of {address} was not {done} in the remote {self._remote} ({type(err).__name__})"
        if _code(err) in EXPIRED:
            return ConfigError(
                f"{what}: the credentials for it have expired. Log in again, such as by `aws sso login`, or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
                "and AWS_SESSION_TOKEN anew, and run again; nothing is lost."
            )
        if isinstance(err, PermissionError):
            return ConfigError(
                f"{what}: it refuses this user. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a user who may read and write there."
            )
        return TransientError(f"{what}. Nothing is lost; the next try goes on from here.")


def _code(err: BaseException) -> str:
    """Return how S3 calls a fault; empty where nobody says it. s3fs keeps what it heard as the cause of what it raises."""
    for one in (err, err.__cause__):
        if isinstance(said := getattr(one, "response", None), Mapping):
            return str(said.get("Error", {}).get("Code", ""))
    return ""


def _faults() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, BotoCoreError, ClientError)
