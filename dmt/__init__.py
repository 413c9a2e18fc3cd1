"""Disentanglement and Multi-Task learning on Keras 3."""

from dmt.compat import finder as _finder
from dmt.utils import processor as _processor

__version__ = "0.1.0"

_finder.install()
_processor.configure()
