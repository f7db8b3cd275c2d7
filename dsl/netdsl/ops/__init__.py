"""The operators of the language, in families; see `contract.base` for the definition of an operator.

Every module below this package is imported here, so that a new operator needs only a new file.
"""

from importlib import import_module
from pathlib import Path

from netdsl.ops.contract.base import REGISTRY, Op, OpError

for _path in sorted(Path(__file__).parent.glob("*/[!_]*.py")):
    import_module(f"{__name__}.{_path.parent.name}.{_path.stem}")

__all__ = ["REGISTRY", "Op", "OpError"]
