"""One process that answers: `python -m components.serving.gateway.worker`, on a socket that its keeper has bound.

Standard input is a pipe of the keeper's. When it closes, in whatever way the keeper went, the worker answers what it has begun and ends.
"""

import logging
import os
import socket
import sys
import threading

import uvicorn

from components.serving.gateway.app import from_environment
from components.serving.gateway.settings import DRAIN_S, SOCKET
from components.serving.gateway.stuck import CODE, STUCK
from components.serving.pulse import beat

BACKLOG = 2048
EXIT_S = 5.0  # that a process has to end once it has answered all


def main() -> int:
    """Answer until told to end; the exit code is 0 then, and CODE where a thread may never end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)

    async def turn() -> None:
        await beat()
        server.should_exit = server.should_exit or STUCK.is_set()

    config = uvicorn.Config(
        from_environment(), log_level="warning", access_log=False, timeout_graceful_shutdown=DRAIN_S, backlog=BACKLOG,
        server_header=False, date_header=False, timeout_keep_alive=65,
        callback_notify=turn, timeout_notify=-(10**9),  # each second, whatever the clock is set to meanwhile
    )  # fmt: skip
    server = uvicorn.Server(config)

    def follow() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        server.should_exit = True

    threading.Thread(target=follow, daemon=True).start()
    server.run(sockets=[socket.socket(fileno=int(os.environ[SOCKET]))])
    code = CODE if STUCK.is_set() else 0
    ending = threading.Timer(EXIT_S, os._exit, (code,))  # a thread that never ends would keep the process
    ending.daemon = True
    ending.start()
    return code


if __name__ == "__main__":
    sys.exit(main())
