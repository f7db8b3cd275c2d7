"""Square matrices fit both ways: a map that transposes only the others is warned of, in every command."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import netruntime as nr
from netruntime.weight_files.match import match_weights

D = 6
MODEL = """net 1.0
model Net(x: f32[B, 6], t: i32[B]) -> y: f32[B, 6] {
  e = t -> table: Embedding(6, 6)
  return x + e -> a: Linear(6) -> b: Linear(6) -> tanh -> u: Linear(9) -> d: Linear(6)
}
train {
  input z: f32[B, 6]
  loss = mse(y, z)
  optimizer = sgd(lr=0.0)
  epochs = 1
  batch_size = 2
}
"""


def stored() -> dict[str, np.ndarray]:
    """Weights as PyTorch stores them: `[out, in]`, but the table as `[rows, width]`."""
    rng = np.random.default_rng(3)
    sizes = {"q": (D, D), "k": (D, D), "up": (9, D), "down": (D, 9)}
    arrays = {f"{n}.weight": rng.standard_normal(s).astype(np.float32) for n, s in sizes.items()}
    biases = {f"{n}.bias": rng.standard_normal(s[0]).astype(np.float32) for n, s in sizes.items()}
    return arrays | biases | {"emb.weight": rng.standard_normal((D, D)).astype(np.float32)}


def with_map(q: str, k: str, others: str) -> str:
    rules = {"q": ("a", q), "k": ("b", k), "up": ("u", others), "down": ("d", others)}
    modes = {theirs: (ours, " transpose" if how else "") for theirs, (ours, how) in rules.items()}
    lines = [f'  "{theirs}.*" => "{ours}.*"{mode}' for theirs, (ours, mode) in modes.items()]
    return "\n".join([MODEL, "weights theirs {", '  "emb.*" => "table.*"', *lines, "}", ""])


def by_hand(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    w = stored()
    x = x + w["emb.weight"][t]
    for name in ("q", "k", "up", "down"):
        x = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        x = np.tanh(x) if name == "k" else x
    return x


@pytest.mark.parametrize(
    ("q", "k", "labels"), [("", "", ["a.weight", "b.weight"]), ("", "t", ["a.weight"]), ("t", "t", [])]
)
def test_only_the_square_ones_are_left(q: str, k: str, labels: list[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net = nr.load(with_map(q, k, "t"), weights=stored())
    listed = [str(w.message) for w in caught if issubclass(w.category, nr.DataWarning)]
    assert len(listed) == bool(labels)
    for label in ("a.weight", "b.weight", "table.weight"):
        assert all((f"`{label}`" in text) == (label in labels) for text in listed)
    x, t = np.ones((2, D), np.float32), np.array([0, 4], np.int32)
    right = np.allclose(net(x=x, t=t), by_hand(x, t), rtol=1e-5, atol=1e-5)
    assert right == (not labels)


def test_square_ones_alone_that_are_read_in_two_ways() -> None:
    text = "net 1.0\nmodel M(x: f32[B, 6]) { return x -> a: Linear(6) -> b: Linear(6) }\n"
    text += 'weights theirs {\n  "q.*" => "a.*" transpose\n  "k.*" => "b.*"\n}\n'
    kept = {name: array for name, array in stored().items() if name[0] in "qk"}
    with pytest.warns(nr.DataWarning, match="1 square weight of `Linear` is read as given.*`b.weight`"):
        nr.load(text, weights=kept)


@pytest.mark.parametrize("layer", ["Conv(4, 3)", "Embedding(6, 6)"])
def test_square_kernels_and_tables_that_a_pattern_turns(layer: str) -> None:
    """`*` transposes them with the dense layers, and they fit both ways."""
    x = "t: i32[B]" if "Emb" in layer else "t: f32[B, 2, 4, 4]"
    rest = " -> a: Linear(9)" if "Emb" in layer else " -> flatten -> a: Linear(9)"
    text = f"net 1.0\nmodel M({x}) -> y: f32[B, 9] {{ return t -> l: {layer}{rest} }}\n"
    weights = {name: np.asarray(array) for name, array in nr.load(text).weights.items()}
    weights["a.weight"] = weights["a.weight"].T
    wide = '"*.weight" => "*.weight" transpose\n'
    narrow = '"a.weight" => "a.weight" transpose\n'
    with pytest.warns(nr.DataWarning, match="1 square weight of .* read transposed, though.*`l.weight`"):
        nr.load(f"{text}weights theirs {{\n  {wide}}}\n", weights=weights, names="theirs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nr.load(f"{text}weights theirs {{\n  {narrow}}}\n", weights=weights, names="theirs")


def test_the_proposed_map_followed_to_the_letter() -> None:
    with pytest.raises(nr.WeightsError) as wrong:
        nr.load(MODEL, weights=stored())
    help = wrong.value.diagnostics[0].help or ""
    assert '"emb.*" => "table.*"\n' in help
    assert help.count(" transpose") == 4
    order = {"a": "q", "b": "k", "u": "up", "d": "down"}  # names of equal shapes are only guessed
    proposed = help.partition("add to the file: ")[2]
    pairs = dict(line.strip().split(" => ") for line in proposed.splitlines() if "=>" in line)
    assert len(pairs) == len(order) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = nr.load(f"{MODEL}{proposed}\n", weights=stored())
    names = {target: theirs for theirs, target in pairs.items()}
    guessed = {n.partition(".")[0].strip('"'): names[n].partition(".")[0].strip('"') for n in names}
    for ours in order:
        np.testing.assert_array_equal(net.weights[f"{ours}.weight"], stored()[f"{guessed[ours]}.weight"].T)


def test_the_rules_of_a_shape_error_include_the_square_ones() -> None:
    with pytest.raises(nr.WeightsError) as wrong:
        nr.load(with_map("", "", ""), weights=stored())
    help = wrong.value.diagnostics[0].help or ""
    assert help.count(" transpose`") == 4
    assert "emb" not in help


def test_without_kinds_nothing_is_said() -> None:
    arrays = {"w": np.ones((2, 2), np.float32)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert match_weights({"w": ((2, 2), "f32")}, arrays).missing == ()


@pytest.mark.parametrize(
    "command",
    [
        "run some.net --input x=random --input t=random:0..6 --size B=2 --weights w.safetensors",
        "train some.net --data d.npz --weights w.safetensors",
        "eval some.net --data d.npz --weights w.safetensors",
        "predict some.net --data d.npz --weights w.safetensors -o p.npz",
    ],
)
def test_every_command_says_so(command: str, tmp_path: Path) -> None:
    nr.write_weights(tmp_path / "w.safetensors", stored())
    (tmp_path / "some.net").write_text(with_map("", "", "t"))
    x = np.ones((4, D), np.float32)
    np.savez(tmp_path / "d.npz", x=x, t=np.arange(4, dtype=np.int32), z=x)
    run = [sys.executable, "-c", "from netruntime.cli import main; main()", *command.split()]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: 2 square weights of `Linear` are read as given") == 1
