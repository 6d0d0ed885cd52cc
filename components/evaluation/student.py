"""How far Student's t reaches, which is what a mean of few is sure to.

Source: Student 1908, "The probable error of a mean". Golden: scipy.stats.t.
"""


def student(confidence: float, free: float) -> float:
    """Return how many standard errors the middle part of Student's t reaches to either side, with `free` degrees of freedom."""
    from scipy.special import stdtrit  # takes half as long to import as scipy.stats

    return float(stdtrit(free, (1 + confidence) / 2))
