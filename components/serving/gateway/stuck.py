"""Whether a thread of this process may never end, so that the process has to: it answers what it has begun, and is replaced."""

import threading

STUCK = threading.Event()
CODE = 70  # that such a process ends with
