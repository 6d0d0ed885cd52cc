"""Start a server, and end it unless its starter says `keep` before going away, in whatever way it goes.

Run as a script, before the server is known to be good: guard.py COMMAND..., with its standard input a pipe from the
starter. It prints the server's number and stands by. `keep` on the pipe: it goes and the server stays. The pipe
closes, since the starter ended or was killed: it ends the server. The server ends: it goes, with that exit code.
The standard library is all it knows, and it is its own session, so Ctrl-C at the terminal does not reach it.
"""

import os
import select
import subprocess
import sys

KEEP = b"keep"
GRACE_S = 5
POLL_S = 0.1


def main(command: list[str]) -> int:
    """Return the exit code of the server, 0 when it is kept."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr)
    print(server.pid, flush=True)
    while server.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], POLL_S)
        if not readable:
            continue
        if os.read(sys.stdin.fileno(), len(KEEP)) == KEEP:
            return 0
        end(server)
    return server.returncode


def end(server: "subprocess.Popen[bytes]") -> None:
    """Ask it to drain, then kill it."""
    server.terminate()
    try:
        server.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
