"""report.html of a model, a part a file: one page, nothing loaded from elsewhere."""
