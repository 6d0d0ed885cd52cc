"""The commands of `diptych data`: versions of data looked at, checked, moved and taken back."""
