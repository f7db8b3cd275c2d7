"""The operators of the language, in families; see `contract.base` for the definition of an operator.

Every module below this package is imported here, so that a new operator needs only a new file.
"""

from importlib import import_module
from pkgutil import walk_packages

from netdsl.ops.contract.base import REGISTRY, Op, OpError

for _module in walk_packages(__path__, f"{__name__}."):
    import_module(_module.name)

__all__ = ["REGISTRY", "Op", "OpError"]
