"""From a picture to an endpoint and back: what was made of what, taken down, and made again."""
