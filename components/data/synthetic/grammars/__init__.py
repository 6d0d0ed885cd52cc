"""The languages that scenes are described in, one file each."""
