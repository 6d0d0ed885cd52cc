"""Faults on real processes, by hand: `make drill DRILL=fuzz_gateway`."""
