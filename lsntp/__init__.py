"""LS-NTP: long- and short-range correlations for near-surface temperature prediction.

The executable companion to Xu et al., Neural Networks 155 (2022), doi 10.1016/j.neunet.2022.07.022.
"""

import lazy_loader

# What stands directly under the package is listed in __init__.pyi, and imported when it is named.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
