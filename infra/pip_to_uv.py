"""Print, as shell exports, what pip is configured with, in the names uv reads: uv itself ignores pip's configuration.

Uses the standard library alone: it runs before anything is installed.
"""

import ast
import os
import shlex
import subprocess
import sys

NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
ORDER = ("global", "user", "site", "install", ":env:")  # later ones win, as they do in pip


def exports(listing: str) -> dict[str, str]:
    """Return uv's variables for the lines of `pip config list`: `global.index-url='https://…'`."""
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if key in NAMES and section in ORDER:
            rank = ORDER.index(section)
            if rank >= found.get(NAMES[key], (-1, ""))[0]:
                found[NAMES[key]] = (rank, " ".join(str(ast.literal_eval(value)).split()))
    return {name: value for name, (_, value) in found.items() if value}


def main() -> None:
    """Ask the pip beside this interpreter; what is set in the environment already stays as it is."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for name, value in exports(listing.stdout).items():
        if name not in os.environ:
            print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
