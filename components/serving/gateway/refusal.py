"""What a client is told when it does not get what it asked for: a status, a code that programs can read, a sentence."""

from collections.abc import Sequence
from math import ceil
from typing import Any

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP, 400 to 599.
        code: such as `image_too_large`; see docs/serving.md.
        message: what, why, and how to mend; safe to show.
        retry_after_s: seconds after which another try makes sense; None where it makes none.
    """

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the answer, in OpenAI's shape."""
        kind = KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {
            "error": {
                "message": self.message, "type": kind, "code": self.code, "param": None, "request_id": request_id,
            }
        }  # fmt: skip

    def headers(self) -> dict[str, str]:
        """Return the headers that go with it."""
        found = {} if self.retry_after_s is None else {"retry-after": str(max(1, ceil(self.retry_after_s)))}
        return found | ({"www-authenticate": "Bearer"} if self.status == 401 else {})


def bad(code: str, message: str) -> Refusal:
    """Return the refusal of a request that is wrong in itself."""
    return Refusal(400, code, message)


def told_of(refused: Sequence[Refusal]) -> Refusal:
    """Return which refusal of several versions a client is told: one that is not final, such as of an index that cannot be read, else the first."""
    return next((one for one in refused if one.status != 404), refused[0])
