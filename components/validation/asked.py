"""What is asked of data, beyond that it is whole: what may come in, what is done with doubtful rows, what must not be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.contracts.admit import Admit
from components.contracts.needs import Needs
from components.validation.fit import Scoring
from components.validation.policy import Policy
from components.validation.takedown import Takedown


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """As it stands: everything may come in, and nothing is on a list.

    Args:
        admit: what may come in at all.
        policy: reason -> what is done with its rows, see policy.py; one that names `face` has faces looked for.
        takedown: pictures that must not be used.
        known_bad: pictures that are known to be bad.
        scoring: the model that says how well words fit pictures, and what is odd; None where nobody is asked.
        needs: recipe -> what it needs, in numbers.
        seed: draws which of several pictures of one concept a pool keeps, and the splits of a source that has some.
    """

    admit: Admit = field(default_factory=Admit)
    policy: Mapping[str, Policy] = field(default_factory=dict)
    takedown: Takedown = field(default_factory=Takedown)
    known_bad: Takedown = field(default_factory=Takedown)
    scoring: Scoring | None = None
    needs: Mapping[str, Needs] = field(default_factory=dict)
    seed: int = 0
