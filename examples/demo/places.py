"""Where the demo finds the examples, and where it writes."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
FOLDER = Path("demo-out")


def example(name: str) -> Path:
    """The path of the example `name`, which is there in a checkout of the project."""
    return EXAMPLES / f"{name}.net"


def data(name: str) -> Path:
    """The path of a file of the examples' data."""
    return EXAMPLES / "data" / name
