"""Networks drawn as SVG."""

from __future__ import annotations

from pathlib import Path

from demo.places import FOLDER, example
from netruntime.draw import block_docs, draw_svg
from netruntime.engine.loading import load

DRAWN = ("lenet5", "transformer")


def draw_examples(folder: Path = FOLDER) -> list[Path]:
    """Write the drawings of LeNet-5 and the Transformer into a folder, and say where they are.

    Raises `NetError` E0613 where the examples are not beside the package, and `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in DRAWN:
        net = load(example(name))
        path = folder / f"{name}.svg"
        path.write_text(draw_svg(net.graph, title=net.name, docs=block_docs(net.model)), encoding="utf-8")
        written.append(path)
    return written
