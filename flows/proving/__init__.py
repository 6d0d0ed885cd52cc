"""Recipes held against each other: proofs, comparisons and sweeps, each run in a checkout of its own."""
