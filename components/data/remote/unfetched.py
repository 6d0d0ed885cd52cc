"""Why the bytes of one URL did not come, as quarantine says it, and whether another try may help."""

from dataclasses import dataclass

from components.contracts.errors import DataError, DiptychError, TransientError


@dataclass
class Unfetched(Exception):
    """One URL's bytes did not come.

    Args:
        reason: the code that quarantine gives a record: fetch_failed, address_refused or no_picture (too large).
        detail: what happened, and what to do where there is something; without user, password or query of a URL.
        transient: whether another try, with nothing changed, may help.
        after_s: seconds that the server asked to be left alone for; None where it did not.
    """

    reason: str
    detail: str
    transient: bool = False
    after_s: float | None = None

    def __str__(self) -> str:
        return self.detail

    def as_error(self, shown: str) -> DiptychError:
        """Return the error that ends a run which cannot do without these bytes; `shown` names the URL."""
        if self.transient:
            return TransientError(f"{shown} could not be fetched: {self.detail}. Another try may help: run again.")
        return DataError(f"{shown} could not be fetched: {self.detail}")
