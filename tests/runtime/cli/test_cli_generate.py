"""`netrun generate` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import netrun, netrun_json

import netruntime as nr
from netruntime.cli.common.failures import BAD_DATA, BAD_FILE, OK, USAGE

LETTERS = list("abcdefgh\né!")
TRANSLATION = ["<pad>", "<begin>", "<end>", *"abcdefgh"]
WRITE = """net 1.0
model Write(ids: i32[B, T]) -> logits: f32[B, T, 11] {
  return ids -> embed: Embedding(11, 16) -> %s -> out: Linear(11)
}
"""
GRU = WRITE % "r: Recurrent(GRU(8), layers=2)"
TRANSLATE = """net 1.0
model Translate(src: i32[B, S], tgt: i32[B, T], src_keep: bool[B, S]) -> logits: f32[B, T, 11] {
  layer embed = Embedding(11, 16)
  see = src_keep -> [B, S] => [B, 1, 1, S]
  memory = embed(src) -> enc: EncoderLayer(4, 32)(keep=see)
  return embed(tgt) -> dec: DecoderLayer(4, 32)(memory=memory, memory_keep=see) -> out: Linear(11)
}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with its weights and its vocabulary beside it."""
    return save(tmp_path, GRU, LETTERS)


@pytest.fixture
def translator(tmp_path: Path) -> Path:
    return save(tmp_path, TRANSLATE, TRANSLATION)


def save(folder: Path, text: str, vocabulary: list[str]) -> Path:
    path = folder / "model.net"
    path.write_text(text, encoding="utf-8")
    seeded = nr.load(text).weights
    lively = {label: array * np.float32(6 if array.ndim > 1 else 1) for label, array in seeded.items()}
    nr.load(text, lively).save(folder / "model.safetensors")
    (folder / "model.vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    return path


def load(path: Path) -> nr.Network:
    return nr.load(path, path.with_suffix(".safetensors"))


def test_text_goes_on_from_the_prompt(model: Path) -> None:
    result = netrun("generate", model, "--prompt", "abc", "--greedy", "--max", 12)
    assert result.exit_code == OK
    ids = nr.generate(load(model), [0, 1, 2], max_new=12, temperature=0).ids[0]
    assert result.stdout == "abc" + "".join(LETTERS[n] for n in ids) + "\n"
    assert "12 tokens in" in result.stderr


def test_json(model: Path) -> None:
    found = netrun_json("generate", model, "-p", "a", "--seed", 3, "--max", 9, "--top-k", 4)
    expected = nr.generate(load(model), [0], max_new=9, seed=3, top_k=4)
    assert found["ids"] == expected.ids[0].tolist()
    assert found["text"] == "".join(LETTERS[n] for n in found["ids"])
    assert found["prompt_ids"] == [0]
    assert found["cached"] is True
    assert found["stopped"] is False
    assert found["log_prob"] == pytest.approx(expected.log_prob[0])


def test_what_every_option_says(model: Path) -> None:
    def ids(*options: Any) -> list[int]:
        return list(netrun_json("generate", model, "-p", "a", "--max", 9, *options)["ids"])

    net = load(model)
    expected = {
        ("--temperature", 0.7): {"temperature": 0.7},
        ("--top-p", 0.6): {"top_p": 0.6},
        ("--repetition-penalty", 1.9): {"repetition_penalty": 1.9},
        ("--beams", 3, "--length-penalty", 1): {"beams": 3, "length_penalty": 1.0},
        ("--no-cache",): {"cached": False},
        ("--min", 4): {"min_new": 4},
    }
    for options, arguments in expected.items():
        found: Any = nr.generate(net, [0], max_new=9, **arguments)
        assert ids(*options) == found.ids[0].tolist(), options
    assert netrun_json("generate", model, "-p", "a", "--max", 2, "--no-cache")["cached"] is False


def test_ids_in_place_of_text(model: Path) -> None:
    model.with_name("model.vocab.json").unlink()
    result = netrun("generate", model, "--prompt-ids", "0,1", "--greedy", "--max", 5)
    ids = nr.generate(load(model), [0, 1], max_new=5, temperature=0).ids[0].tolist()
    assert result.stdout.split() == [str(n) for n in [0, 1, *ids]]
    assert netrun_json("generate", model, "--prompt-ids", "0,1", "--max", 5)["text"] is None
    result = netrun("generate", model, "--prompt", "ab")
    assert result.exit_code == BAD_DATA
    assert "E1106" in result.stderr
    assert "--vocab" in result.stderr


def test_the_prompt_from_standard_input(model: Path) -> None:
    result = netrun("generate", model, "--prompt", "-", "--max", 1, "--greedy", input="abc\né")
    assert result.stdout.startswith("abc\né")


def test_it_ends_at_the_end(model: Path) -> None:
    ids = netrun_json("generate", model, "-p", "a", "--greedy", "--max", 20)["ids"]
    end = LETTERS[ids[4]]
    for name in (end, str(ids[4])):
        found = netrun_json("generate", model, "-p", "a", "--greedy", "--max", 20, "--end", name)
        assert found["ids"] == ids[: ids.index(ids[4])]
        assert found["stopped"] is True


def test_translation(translator: Path) -> None:
    """The source is text, the target begins and ends with the vocabulary's own tokens."""
    found = netrun_json("generate", translator, "--input", "src=cab", "--greedy", "--max", 8)
    assert found["prompt_ids"] == [1]
    expected = nr.generate(
        load(translator), [1], inputs={"src": [[5, 3, 4]]}, max_new=8, temperature=0, stop=[2]
    )
    assert found["ids"] == expected.ids[0].tolist()
    for spec in ("text:cab", "ids:5,3,4"):
        again = netrun_json("generate", translator, "--input", f"src={spec}", "--greedy", "--max", 8)
        assert again["ids"] == found["ids"]
    path = translator.with_name("src.npy")
    np.save(path, np.array([[5, 3, 4]]))
    assert (
        netrun_json("generate", translator, "-i", f"src={path}", "--greedy", "--max", 8)["ids"]
        == found["ids"]
    )
    plain = netrun("generate", translator, "--input", "src=cab", "--greedy", "--max", 8)
    assert plain.stdout == found["text"] + "\n"


@pytest.mark.parametrize(
    ("options", "code", "exit_code"),
    [
        (["--prompt", "xyz"], "E0838", BAD_DATA),
        ([], "E1104", BAD_DATA),
        (["--prompt-ids", "1,x"], "E0921", USAGE),
        (["--prompt-ids", "11"], "E1104", BAD_DATA),
        (["--prompt", "a", "--prompt-ids", "1"], "E0920", USAGE),
        (["--prompt", "a", "--greedy", "--top-k", "3"], "E0920", USAGE),
        (["--prompt", "a", "--beams", "3", "--greedy"], "E0920", USAGE),
        (["--prompt", "a", "--top-p", "7"], "E1105", USAGE),
        (["--prompt", "a", "--end", "xx"], "E1108", USAGE),
        (["--prompt", "a", "--input", "src=abc"], "E0921", USAGE),
        (["--prompt", "a", "--input", "ids=abc"], "E0921", USAGE),
        (["--prompt", "a", "--token-input", "src"], "E1101", USAGE),
        (["--prompt", "a", "--vocab", "none.json"], "E1106", BAD_DATA),
        (["--prompt", "a", "--tokenizer", "none.json"], "E0815", BAD_DATA),
        (["--prompt", "a", "--weights", "none.npz"], "E07", BAD_DATA),
    ],
)
def test_failures(model: Path, options: list[str], code: str, exit_code: int) -> None:
    result = netrun("generate", model, *options)
    assert result.exit_code == exit_code, result.output
    assert code in result.stderr


def test_models_that_cannot(tmp_path: Path) -> None:
    path = save(tmp_path, WRITE % "e: EncoderLayer(4, 32) * 2", LETTERS)
    result = netrun("generate", path, "--prompt", "a")
    assert result.exit_code == BAD_FILE
    assert "E1102" in result.stderr
    assert "is not causal" in result.stderr
    path.with_name("model.vocab.json").write_text('["a"]')
    result = netrun("generate", path, "--prompt", "a")
    assert result.exit_code == BAD_DATA
    assert "the vocabulary has 1 entries, but the model has 11 tokens" in result.stderr


def test_tokens_of_several_bytes(tmp_path: Path) -> None:
    """A character whose bytes are spread over tokens is printed once it is whole."""
    tokenizers = pytest.importorskip(
        "tokenizers", reason="tokenizers is not installed: pip install netdsl[text]"
    )
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=256, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["a"], trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    cycle = tokenizer.encode("é😀!").ids
    table = np.full((256, 256), -9.0, np.float32)
    for token, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        table[token, after] = 9.0
    path = tmp_path / "cycle.net"
    path.write_text(
        "net 1.0\nmodel Cycle(ids: i32[B, T]) -> logits: f32[B, T, 256] {\n"
        "  return ids -> embed: Embedding(256, 256)\n}\n"
    )
    nr.load(path, {"embed.weight": table}).save(tmp_path / "cycle.safetensors")
    result = netrun("generate", path, "--prompt", "!", "--greedy", "--max", 2 * len(cycle) + 1)
    assert result.stdout == "!é😀!é😀!\ufffd\n"


def test_the_seed_is_that_of_random_inputs(tmp_path: Path) -> None:
    text = """net 1.0
model Steered(tokens: i32[B, T], steer: f32[B, 8]) -> logits: f32[B, T, 8] {
  rows = steer -> [B, V] => [B, 1, V]
  return (tokens -> embed: Embedding(8, 8)) + 9.0 * rows
}
"""
    (tmp_path / "steered.net").write_text(text)
    options = ["--prompt-ids", "1,2", "--input", "steer=random", "--greedy", "--max", 4, "--size", "B=1"]
    model = tmp_path / "steered.net"
    ids = [netrun_json("generate", model, *options, "--seed", seed)["ids"] for seed in (0, 1, 2, 3, 1)]
    assert ids[1] == ids[4]
    assert len(set(map(tuple, ids))) > 1
