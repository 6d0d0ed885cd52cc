"""Versions of data: what differs between two, one without some samples, and descriptions that others read."""
