"""Tokenizers and vocabularies made to hurt: parts with wrong values, slow patterns, huge tables."""

# ruff: noqa: E501 (tables of values)
from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.campaign import showing
from netdsl.diagnostics import NetError
from netruntime.generation.text import GrowingText, find_codec
from netruntime.readers import tokenizers
from netruntime.readers.options import DataOptions
from netruntime.readers.text import tokenize
from netruntime.readers.tokenizers import load_tokenizer

SHORT = 120
SECONDS = 2 + tokenizers.SECONDS
WORDS = (
    "a",
    "b",
    "ab",
    "aab",
    "[UNK]",
    "[PAD]",
    "##a",
    "\u2581a",
    "Ġa",
    "",
    " ",
    "\0",
    "<0x41>",
    "é",
    "x" * 3000,
)
ODD = (None, -1, 0, 2**32, 2**64, 1.5, True, "", "a", [], {}, [[]], "\ud800", [None], {"a": None}, 1e400)
PATTERNS = ("a", "(a+)+$", "(a|aa)+$", "(a*)*b", "a*a*a*b", "(?=(a+))\\1b", "(", "[", "\\p{L}+", "(?<n>a)\\k<n>", "",
            "^", "$", "(?:a{0,1000}){0,1000}", "(" * 300 + ")" * 300, "\\s+(?!\\S)|\\s+", "(?i)ſ", "\\K", "(?~a)")  # fmt: skip
TEXTS = (
    "",
    "a",
    "ab aab",
    "a" * 200 + "c",
    "\0",
    "é\u0301" * 50,
    "\U0001f600",
    "\u2028a\r\n",
    "a b " * 500,
    "\ufeffa",
)


def trial(random: Random) -> str:
    name, content = _file(random)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            with showing(content[:3000].decode("utf-8", "replace")):
                return random.choice((_split, _join, _tokenizer))(random, path)
        except NetError as refused:
            assert len(str(refused)) < 5000
            return "refused"


def _split(random: Random, path: Path) -> str:
    options = DataOptions(
        tokenizer=path, cut=random.random() < 0.5, max_length=random.choice((None, 1, 3, 10**6))
    )
    tokens = tokenize(random.choices(TEXTS, k=random.randint(1, 3)), options)
    assert tokens.ids.shape == tokens.keep.shape
    return "split"


def _join(random: Random, path: Path) -> str:
    weights = path.parent / "w.safetensors" if random.random() < 0.5 else None
    codec = find_codec(path, None, None) if weights is None else find_codec(None, None, weights)
    if codec is None:
        return "none beside the weights"
    ids = codec.encode(random.choice(TEXTS), "the prompt")
    assert ids.dtype == np.int64
    text = GrowingText(codec)
    for number in (*ids[:5].tolist(), 0, 1, 10**6):
        text.add(number)
    assert isinstance(codec.decode(random.choices((0, 1, 5, 10**6, 2**31, -1), k=3)), str)
    return "joined"


def _tokenizer(random: Random, path: Path) -> str:
    tokenizer = load_tokenizer(path)
    tokenizer.no_padding()
    tokenizer.decode(random.choices((0, 1, 5, 10**6), k=3))
    tokenizer.encode_batch(random.choices(TEXTS, k=2))
    tokenizer.token_to_id(random.choice(WORDS))
    return "tokenizer"


# -- files ---------------------------------------------------------------------------------------


def _file(random: Random) -> tuple[str, bytes]:
    if random.random() < 0.2:
        name = random.choice(("vocab.json", "w.vocab.json"))
        return name, _bytes(random, random.choice((_entries, _pairs, lambda r: r.choice(ODD)))(random))
    definition = _definition(random)
    for _ in range(random.choice((0, 0, 1, 2))):
        _damage(random, definition)
    return "tokenizer.json", _bytes(random, definition)


def _bytes(random: Random, value: Any) -> bytes:
    text = json.dumps(value).encode()
    match random.randrange(12):
        case 0:
            return text[: random.randrange(len(text) + 1)]
        case 1:
            return random.choice((b"\xef\xbb\xbf" + text, b"\xff" + text, b"[" * 100_000, text + b"\0", b""))
    return text


def _entries(random: Random) -> Any:
    return random.choice((list(WORDS), [*WORDS, "a"], [*"ab c"], ["a", random.choice(ODD)], ["a"] * 50_000))


def _pairs(random: Random) -> Any:
    return {word: random.choice((n, n, n, *ODD)) for n, word in enumerate(WORDS)}


def _definition(random: Random) -> dict[str, Any]:
    model = random.choice((_bpe, _word_level, _word_piece, _unigram))(random)
    parts: dict[str, Callable[[Random], Any]] = {
        "normalizer": _normalizer, "pre_tokenizer": _pre_tokenizer, "decoder": _decoder,
        "post_processor": _post_processor, "padding": _padding, "truncation": _truncation,
    }  # fmt: skip
    chosen = {name: make(random) if random.random() < 0.4 else None for name, make in parts.items()}
    added = [{"id": random.choice((0, 3, 99, 2**31)), "content": random.choice(WORDS), "single_word": False,
              "lstrip": random.random() < 0.5, "rstrip": False, "normalized": False, "special": True}
             for _ in range(random.choice((0, 0, 1, 3)))]  # fmt: skip
    return {"version": "1.0", "added_tokens": added, **chosen, "model": model}


def _vocab(random: Random) -> dict[str, Any]:
    return {word: random.choice((n, n, n, n, 2**31, 0)) for n, word in enumerate(WORDS)}


def _bpe(random: Random) -> dict[str, Any]:
    merges: Any = random.choice(
        ([], ["a b", "a ab"], [["a", "b"]], ["a"], ["a b"] * 3, ["zz z"], ["a b c"], ODD)
    )
    return {"type": "BPE", "vocab": _vocab(random), "merges": list(merges), "unk_token": random.choice((None, "[UNK]", "z")),
            "dropout": random.choice((None, 0.5, 2.0, -1.0)), "continuing_subword_prefix": random.choice((None, "##", "x" * 99)),
            "end_of_word_suffix": random.choice((None, "é")), "fuse_unk": True, "byte_fallback": random.random() < 0.5}  # fmt: skip


def _word_level(random: Random) -> dict[str, Any]:
    return {"type": "WordLevel", "vocab": _vocab(random), "unk_token": random.choice(("[UNK]", "zz"))}


def _word_piece(random: Random) -> dict[str, Any]:
    longest = random.choice((0, 100, 10**9))
    return {"type": "WordPiece", "vocab": _vocab(random), "unk_token": random.choice(("[UNK]", "zz")),
            "continuing_subword_prefix": random.choice(("##", "", "é")), "max_input_chars_per_word": longest}  # fmt: skip


def _unigram(random: Random) -> dict[str, Any]:
    vocab = [[word, random.choice((-1.0, 0.0, -1e308, 1e308, 5))] for word in WORDS]
    return {"type": "Unigram", "vocab": random.choice((vocab, [], vocab[:1])), "unk_id": random.choice((0, None, 99)),
            "byte_fallback": random.random() < 0.5}  # fmt: skip


def _pattern(random: Random) -> dict[str, str]:
    return {random.choice(("Regex", "Regex", "String")): random.choice(PATTERNS)}


def _normalizer(random: Random, depth: int = 0) -> Any:
    if depth < 3 and random.random() < 0.3:
        return {
            "type": "Sequence",
            "normalizers": [_normalizer(random, depth + 1) for _ in range(random.randint(0, 4))],
        }
    content = random.choice(("", "a", "b" * 100, "aa" * 5000))
    return random.choice((
        {"type": "Replace", "pattern": _pattern(random), "content": content}, {"type": "NFKC"}, {"type": "Lowercase"},
        {"type": "Prepend", "prepend": content}, {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Precompiled", "precompiled_charsmap": random.choice(("", "AAAA", "/////w==", "x"))},
        {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    ))  # fmt: skip


def _pre_tokenizer(random: Random) -> Any:
    behaviour = random.choice(("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"))
    return random.choice((
        {"type": "Split", "pattern": _pattern(random), "behavior": behaviour, "invert": random.random() < 0.5},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, {"type": "Whitespace"},
        {"type": "Metaspace", "replacement": random.choice(("\u2581", "ab", "")), "prepend_scheme": "always", "split": True},
        {"type": "FixedLength", "length": random.choice((0, 1, 2**63))}, {"type": "CharDelimiterSplit", "delimiter": "a"},
    ))  # fmt: skip


def _decoder(random: Random) -> Any:
    return random.choice((
        {"type": "Replace", "pattern": _pattern(random), "content": "b" * random.choice((1, 5000))},
        {"type": "Strip", "content": "a", "start": random.choice((0, 1, 2**63)), "stop": random.choice((0, 2**63))},
        {"type": "CTC", "pad_token": "[PAD]", "word_delimiter_token": "", "cleanup": True}, {"type": "ByteFallback"},
        {"type": "WordPiece", "prefix": random.choice(("##", "")), "cleanup": True}, {"type": "Fuse"},
        {"type": "BPEDecoder", "suffix": random.choice(("", "a"))},
    ))  # fmt: skip


def _post_processor(random: Random) -> Any:
    pieces: Any = [{"Sequence": {"id": "A", "type_id": 0}}] * random.choice((0, 1, 3, 2000))
    special = {
        "[PAD]": {
            "id": "[PAD]",
            "ids": [random.choice((0, 2**31))] * random.choice((0, 1, 50_000)),
            "tokens": ["[PAD]"],
        }
    }
    pieces = [*pieces, *[{"SpecialToken": {"id": "[PAD]", "type_id": 0}}] * random.choice((0, 1, 50))]
    return {"type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": special}


def _padding(random: Random) -> Any:
    strategy: Any = random.choice(("BatchLongest", {"Fixed": random.choice((0, 5, 10**12))}))
    return {"strategy": strategy, "direction": "Right", "pad_to_multiple_of": random.choice((None, 0, 8, 2**63)),
            "pad_id": random.choice((0, 2**31)), "pad_type_id": 0, "pad_token": "[PAD]"}  # fmt: skip


def _truncation(random: Random) -> Any:
    return {"direction": "Right", "max_length": random.choice((0, 1, 5, 2**63)), "strategy": "LongestFirst",
            "stride": random.choice((0, 1, 7))}  # fmt: skip


def _damage(random: Random, table: Any) -> None:
    """Put an odd value somewhere, or take something away."""
    while isinstance(table, (dict, list)) and table:
        key = random.choice(list(table) if isinstance(table, dict) else range(len(table)))
        if not isinstance(table[key], (dict, list)) or random.random() < 0.3:
            if random.random() < 0.3:
                del table[key]
            else:
                table[key] = random.choice(ODD)
            return
        table = table[key]
