"""What may come in at all, as params.yaml says under `admit`."""

import re
from dataclasses import dataclass
from typing import Literal

from components.contracts.errors import ConfigError

_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Admit:
    """Hard gates. As it stands, everything may come in.

    Args:
        licences: SPDX identifiers of which a picture must have one; with none, any will do.
        consent: `required` refuses a record whose data does not say that the people it shows have consented.
        health: `refused` refuses a record that its data marks as health data of a person, or whose words look like that.
        faces: `blurred` makes faces that are seen unrecognisable; nothing is refused for one, nor for the next two.
        gps: `removed` takes the place where a picture was taken out of its file.
        pii_text: `masked` puts their kind in place of e-mail addresses, phone and card numbers in what is said of a picture.
        otherwise: what becomes of a run that refused something: `drop` goes on without it, `close` stops it.

    ConfigError for what can be no SPDX identifier.
    """

    licences: tuple[str, ...] = ()
    consent: Literal["not_asked", "required"] = "not_asked"
    health: Literal["not_asked", "refused"] = "not_asked"
    faces: Literal["as_they_are", "blurred"] = "as_they_are"
    gps: Literal["as_it_is", "removed"] = "as_it_is"
    pii_text: Literal["as_it_is", "masked"] = "as_it_is"
    otherwise: Literal["drop", "close"] = "drop"

    def __post_init__(self) -> None:
        for one in self.licences:
            if not _SPDX.fullmatch(one):
                raise ConfigError(
                    f"admit.licences has {one!r}, which is no SPDX identifier. Give such as CC-BY-4.0 (spdx.org/licenses)."
                )
