"""Models that other libraries trained, as ours, and ours as theirs: names of tensors and what a config says, nothing else."""
