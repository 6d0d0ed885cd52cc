"""What says a caption in another language; the step Translate counts what came of it."""
