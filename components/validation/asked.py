"""What is asked of data, beyond that it is whole: what may come in, what is done with doubtful rows, what must not be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.contracts.admit import Admit
from components.validation.policy import Policy
from components.validation.takedown import Takedown


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """As it stands: everything may come in, and nothing is on a list.

    Args:
        admit: what may come in at all.
        policy: reason -> what is done with its rows, see policy.py; one that names `face` has faces looked for.
        takedown: pictures that must not be used.
        seed: draws which of several pictures of one concept a pool keeps, and the splits of a source that has some.
    """

    admit: Admit = field(default_factory=Admit)
    policy: Mapping[str, Policy] = field(default_factory=dict)
    takedown: Takedown = field(default_factory=Takedown)
    seed: int = 0
