"""Studies: many runs of the steps of the package, and what they show together."""
