"""Ports that are spoken for before anybody listens on them, so that two that start at the same moment choose different ones."""

import socket

from flows.loopback import claim_of, is_free


class Claims:
    """Ports of this machine that are ours until this process ends, or `close`.

    A claim is a name in the kernel that only one socket can have, in the same network as the port, and gone with whoever has it.
    """

    def __init__(self) -> None:
        self._ours: dict[int, socket.socket] = {}

    def __contains__(self, port: int) -> bool:
        """Return whether it is ours."""
        return port in self._ours

    def take(self, port: int) -> bool:
        """Make a port ours; False where somebody listens there, has it, or we have it already."""
        if port in self._ours or not is_free(port):
            return False
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(claim_of(port))
        except OSError:
            name.close()
            return False
        self._ours[port] = name
        return True

    def first(self, port: int) -> int:
        """Take the first that can be ours, from `port` on."""
        while not self.take(port):
            port += 1
        return port

    def close(self) -> None:
        """Give all back."""
        for name in self._ours.values():
            name.close()
        self._ours.clear()
