"""The sides of benchmarks that are not ours: each script runs in an environment of its own, and imports nothing of ours."""
