"""Modules and names of disentanglement_lib that this package has elsewhere.

A file `dmt/compat/<path>.py` is served by `finder` in one of two ways. If the package
has no module `dmt.<path>`, the file is that module. Otherwise, the names in `__all__`
of the file are added to the module. docs/moving_over.md lists all names.
"""
