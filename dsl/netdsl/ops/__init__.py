"""The operators of the language, one class each; see `base` for what an operator is.

Every module of this package is imported here, so a new operator is a new file and nothing else.
"""

from importlib import import_module
from pkgutil import iter_modules

from netdsl.ops.base import REGISTRY, Op, OpError

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["REGISTRY", "Op", "OpError"]
