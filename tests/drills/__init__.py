"""Faults on real processes, by hand: `make drill DRILL=deploy_under_load`, `fuzz_gateway` and those of rollouts.py."""
