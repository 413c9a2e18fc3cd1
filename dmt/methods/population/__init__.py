"""Many models as one program."""
