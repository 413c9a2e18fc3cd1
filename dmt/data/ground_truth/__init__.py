"""Datasets with known factors of variation."""
