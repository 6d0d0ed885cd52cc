"""`diptych notify`: who is told of failures, verdicts and drift, by which channels.

An address is a secret, since whoever has it can write to people in our name. It comes from a variable or a file, and is
in no argument, no params.yaml and no sentence of ours.
"""

from collections.abc import Mapping
from pathlib import Path

from components.contracts.errors import ConfigError

VARIABLE = "DIPTYCH_NOTIFY_"
"""Before a channel's name in capitals; with _FILE behind it, of the file that has the address."""
LOOKS = {
    "slack": "https://hooks.slack.com/services/A/B/C, as Slack gives it for an incoming webhook",
    "mail": "mailtos://USER:PASSWORD@SMTP.HOST:587?from=ME&to=YOU (mailto:// where the server has no TLS)",
    "webhook": "https://HOST/PATH, which gets title and message as JSON",
}
"""Channel -> what its address looks like."""


def addresses(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return, for each channel that has one, the variable that gives its address, and the address. ConfigError where a file cannot be read."""
    found = {}
    for channel in LOOKS:
        name = f"{VARIABLE}{channel.upper()}"
        said, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
        if said and file:
            raise ConfigError(f"both {name} and {name}_FILE are set. Keep one of them.")
        if file:
            name = f"{name}_FILE"
            try:
                said = Path(file).read_text(encoding="utf-8")
            except (OSError, ValueError) as err:
                raise ConfigError(
                    f"{name} names a file that cannot be read: {type(err).__name__}. Mend it, or unset {name}."
                ) from err
        if said.strip():
            found[channel] = (name, said.strip())
    return found


def as_lines(channels: tuple[str, ...]) -> list[str]:
    """Return what a person is told about the channels there are."""
    if channels:
        return [
            f"Told by {', '.join(channels)}: a run that failed or crashed for good, a verdict of the gate, drift, a broken budget."
        ]
    return [
        "Nobody is told. Give an address, and ask again:",
        *(f"  {VARIABLE}{name.upper():<8} {looks}" for name, looks in LOOKS.items()),
    ]
