"""Order, retries and gates: one verb a file. No maths here, and no torch."""
