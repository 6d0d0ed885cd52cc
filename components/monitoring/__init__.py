"""What is asked of a served model, held against what it was trained on, and how well it answers."""
