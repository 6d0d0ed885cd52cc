"""Which numbers decide draws: those that numpy and scikit-learn both take."""

LARGEST = 2**32 - 1  # of scikit-learn; numpy takes larger ones, and neither takes one below 0
ALLOWED = f"Give a whole number from 0 to {LARGEST}."


def is_seed(number: int) -> bool:
    """Return whether every library that draws takes it."""
    return 0 <= number <= LARGEST
