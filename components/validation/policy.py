"""What becomes of doubtful rows, where that is a matter of taste: kept and told of, or set aside."""

from collections.abc import Mapping
from difflib import get_close_matches

from components.contracts.errors import ConfigError
from components.contracts.reasons import REASONS, Policy


def kept_codes(policy: Mapping[str, Policy]) -> frozenset[str]:
    """Return the codes of which a row is kept and told of: by `policy` where it names them, else by REASONS.

    Raises ConfigError for a code of which there is no choice, and for what is neither keep nor drop.
    """
    free = {code: reason.policy for code, reason in REASONS.items() if reason.policy is not None}
    for code, said in policy.items():
        if code not in free:
            near = get_close_matches(code, list(free), n=1, cutoff=0)[0]
            why = "is always set aside" if code in REASONS else "is no reason of ours"
            raise ConfigError(
                f"gates.policy names {code!r}, which {why}. There is a choice for {', '.join(free)}; did you mean {near}?"
            )
        if said not in ("keep", "drop"):
            raise ConfigError(f"gates.policy has {code}: {said!r}. Say keep (told in the report) or drop (set aside).")
    return frozenset(code for code, done in (free | dict(policy)).items() if done == "keep")
