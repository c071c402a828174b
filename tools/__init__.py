"""Makers of data: what is learned, recorded or measured outside the package. Not in the wheel."""
