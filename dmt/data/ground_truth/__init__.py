"""Data sets with known factors of variation."""
