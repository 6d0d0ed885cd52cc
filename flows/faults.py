"""From a fault to what a person is told: one sentence, and all there is to know when asked."""

import locale
import os
import sys
import traceback
from pathlib import Path

from components.contracts.address import without_login, without_password
from components.contracts.errors import DiptychError, explained


def told(err: Exception, root: Path | None, debug: bool = False) -> str:
    """Return what a command prints of the error it ends with.

    One sentence for what a person can mend. Of anything else the traceback goes to a file, which is named; with `debug`,
    traceback and logs of the stage come before the sentence.
    """
    whole = without_password("".join(traceback.format_exception(err)))
    before = f"{whole}\n" if debug else ""
    if isinstance(err, DiptychError):
        return f"{before}{without_password(str(err))}"
    if isinstance(err, OSError):
        return f"{before}{explained(err)}"
    if refused := _refused(err):
        return f"{before}{refused}"
    return f"{before}{type(err).__name__}: {without_password(str(err))} ({_kept(whole, root)})"


def _refused(err: Exception) -> str | None:
    """Return what to do where Prefect's server does not know who we are; None for anything else."""
    if "prefect.exceptions" not in sys.modules:  # then it is not Prefect that raised
        return None
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    if not isinstance(err, PrefectHTTPStatusError) or err.response.status_code not in (401, 403):
        return None
    return (
        f"the Prefect server at {without_login(str(PREFECT_API_URL.value()))} does not let us in ({err.response.status_code}). Say who you are in "
        'PREFECT_API_AUTH_STRING; for the servers of diptych up: eval "$(diptych env)". What stages have made is kept.'
    )


def _kept(whole: str, root: Path | None) -> str:
    """Leave the traceback in the workspace; return where."""
    from components.stages.place import private

    if root is None:
        return "run with --debug to see where"
    try:
        path = private(root, "logs") / "diptych.log"
        path.write_text(whole, encoding="utf-8")
    except OSError:
        return "run with --debug to see where"
    return f"traceback in {path}"


def with_streams() -> None:
    """Let standard streams that whoever started us has closed be nothing: libraries write to them without a look, and fail."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is the one that was closed
            os.set_inheritable(handle, True)
            setattr(sys, name, open(handle, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def in_utf8() -> None:
    """Start the command again in Python's UTF-8 mode where the locale is of another encoding.

    Captions and names are UTF-8 all the way; in such a locale printing one would end a run with a UnicodeEncodeError.
    """
    if sys.flags.utf8_mode or locale.getencoding().lower().replace("-", "") == "utf8":
        return
    name = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or "C"
    print(
        f"diptych: the locale {name} is not UTF-8, which pictures' names need; going on in UTF-8. To see all letters, set "
        "one that is, such as LC_ALL=C.UTF-8.",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
