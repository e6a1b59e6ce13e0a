"""The heart: graph product, learned graph, LS-Conv, ConvLSTM's cell, the encoder–decoder."""

import pkgutil
from typing import TYPE_CHECKING

import lazy_loader

if not TYPE_CHECKING:  # to which every name would seem to be there
    __getattr__, __dir__, __all__ = lazy_loader.attach(
        __name__, [module.name for module in pkgutil.iter_modules(__path__)]
    )
