"""The language of `.net` files: parser, checker, typed models, formatter and computation graphs."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("netdsl")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["__doc__", "__name__", "__version__"]
