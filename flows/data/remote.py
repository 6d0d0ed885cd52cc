"""`diptych data push` and `pull`: what DVC keeps of this workspace to its remote and back, and one sentence where that fails.

A file has its name in the remote when it is whole, and the list of a folder comes after its files; what is fetched is held against its
hash. So a push that failed half-way is gone on with by the next, and nothing half written is ever taken for data.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, Literal

from components.contracts.errors import Busy, ConfigError, DataError, TransientError
from components.stages.place import private

Way = Literal["push", "pull"]
_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "ExpiredToken"})
_CLIENTS = frozenset(
    {"aiobotocore", "aiohttp", "botocore", "s3fs"}
)  # whose errors DVC hands on, some of them no OSError
_CODE = re.compile(r"An error occurred \((\w+)\)")


def data_remote(root: Path, way: Way, remote: str | None, as_json: bool) -> None:
    """Move what is missing on the other side, and print how many files that were.

    Raises ConfigError where there is no remote, or it refuses us; TransientError where files did not arrive and another try may
    help; DataError where the remote's own files are missing or damaged; Busy while another DVC command has the workspace.
    """
    count, name, url = move(root, way, remote)
    if as_json:
        print(json.dumps({"way": way, "remote": name, "url": url, "files": count}))
    else:
        print(
            f"{'pushed to' if way == 'push' else 'pulled from'} {name} ({url}): {count:,} files"
            if count
            else f"nothing to {way}: {name} ({url}) and this workspace have the same"
        )


def move(root: Path, way: Way, remote: str | None, targets: Sequence[str] | None = None) -> tuple[int, str, str]:
    """Move what is missing on the other side; return how many files that were, and the remote's name and URL. Errors as of `data_remote`.

    Args:
        targets: stages or outputs, as DVC calls them; all unless given.
    """
    with chdir(root), _opened(root, way, remote) as (repo, name, url):
        moved = _move(repo, way, name, url, targets)
    return (moved if isinstance(moved, int) else int(moved.get("stats", moved)["fetched"])), name, url


@contextmanager
def _opened(root: Path, way: Way, remote: str | None) -> Iterator[tuple[Any, str, str]]:
    """Yield DVC's view of the workspace, with the remote's name and URL; what is fetched from it is checked by hash."""
    from dvc.repo import Repo

    config: dict[str, Any] = {"core": {"site_cache_dir": str(private(root, "dvc"))}}
    with Repo(".", config=config) as repo:
        known, name = repo.config["remote"], remote or repo.config["core"].get("remote")
    if name not in known:
        what = f"there is no remote {name!r}" if name else "this workspace has no remote yet"
        there = f"There is {', '.join(known)}. " if known else ""
        raise ConfigError(
            f"{what}, so there is nowhere to {way}. {there}Name one: dvc remote add -d NAME s3://BUCKET/FOLDER, for a server of your "
            "own also dvc remote modify NAME endpointurl http://HOST:PORT; keys come from the environment, as for AWS."
        )
    with Repo(".", config=config | {"remote": {name: {"verify": True}}}) as repo:
        yield repo, name, known[name]["url"]


def _move(repo: Any, way: Way, name: str, url: str, targets: Sequence[str] | None) -> Any:
    from dvc.exceptions import CheckoutError, DownloadError, DvcException, UploadError
    from dvc.lock import LockError

    said = _Said()
    loggers = [logging.getLogger(one) for one in ("dvc", "dvc_data", "dvc_objects")]
    before = [(one.handlers[:], one.propagate, one.level) for one in loggers]
    for one in loggers:  # what it says of each file becomes one sentence
        one.handlers, one.propagate = [said], False
        one.setLevel(logging.WARNING)
    moves: Callable[..., Any] = repo.push if way == "push" else repo.pull
    try:
        return moves(remote=name, targets=targets and [*targets])
    except LockError as err:
        raise Busy(
            f"another DVC command is at work in {repo.root_dir}. Wait until it has ended, and {way} again."
        ) from err
    except (UploadError, DownloadError, CheckoutError) as err:
        raise _failed(way, name, url, f"{said} {err}", getattr(err, "amount", None)) from err
    except Exception as err:
        if not isinstance(err, DvcException | OSError) and type(err).__module__.partition(".")[0] not in _CLIENTS:
            raise
        raise _failed(way, name, url, f"{said} {err}", None) from err
    finally:
        for one, (handlers, propagate, level) in zip(loggers, before, strict=True):
            one.handlers, one.propagate = handlers, propagate
            one.setLevel(level)


def _failed(way: Way, name: str, url: str, said: str, amount: int | None) -> Exception:
    """Return the error, by who can mend it; none of a server's own words, which may hold what nobody should see."""
    codes = sorted(set(_CODE.findall(said)))
    why = f" ({', '.join(codes)})" if codes else ""
    files = f"{amount:,} files" if amount is not None else "some files"
    where = f"the remote {name} ({url})"
    if _DENIED.intersection(codes) or "PermissionError" in said or "Unable to locate credentials" in said:
        return ConfigError(
            f"{where} refuses this user{why}, so {files} did not move. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a user who "
            f"may {'write' if way == 'push' else 'read'} there, and run again: diptych data {way}"
        )
    if "without confirmation" in said or "without a confirmation" in said:
        return ConfigError(
            "files here were changed that DVC does not have, and a pull would write over them. Keep them with dvc commit, or move them "
            f"away, and run again: diptych data {way}"
        )
    if "NoSuchBucket" in said or "bucket does not exist" in said:
        return ConfigError(
            f"{where} names a bucket that is not there. Make it, or correct the remote: dvc remote modify {name} url s3://…"
        )
    if way == "pull" and not codes and ("Checkout failed" in said or "missing" in said or "corrupted" in said):
        return DataError(
            f"{where} lacks files that dvc.lock names, or holds damaged ones, so this workspace is not whole. Push again where the data "
            "was made: diptych data push"
        )
    return TransientError(
        f"{files} did not {'reach' if way == 'push' else 'come from'} {where}{why}. What arrived is whole and is kept; go on with the rest: "
        f"diptych data {way}"
    )


class _Said(logging.Handler):
    """What DVC logged, with the errors it logged it for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())
        err = record.exc_info[1] if record.exc_info else None
        while err is not None:
            self.lines.append(repr(err))
            err = err.__cause__ or err.__context__

    def __str__(self) -> str:
        return "\n".join(self.lines)
