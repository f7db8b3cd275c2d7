"""The commands with `--device cuda`, each in a process of its own on a GPU or the emulated device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emulated import devices, kit

EXAMPLES = kit.ROOT / "examples"
TEXT = """net 1.0
model M(x: f32[B, 3]) -> logits: f32[B, 4] {
  return x -> hidden: Linear(8) -> relu -> Dropout(0.1) -> out: Linear(4)
}
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  metric accuracy = accuracy(logits, label)
  optimizer = adam(0.01)
  clip = norm(1.0)
}
"""
TOO_LARGE = "net 1.0\nmodel M(x: f32[B]) { return zeros([100000, 100000, 100]) + sum(x) }\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if devices.chosen() is None:
        pytest.skip("needs a CUDA device: make cuda, or make cuda-emulated")
    path = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(0)
    (path / "net.net").write_text(TEXT)
    (path / "large.net").write_text(TOO_LARGE)
    np.savez(path / "data.npz", x=rng.normal(size=(32, 3)).astype("f4"), label=rng.integers(0, 4, 32))
    np.save(path / "x.npy", np.ones((2, 3), "f4"))
    return path


def netrun(folder: Path, *arguments: str, device: str = "cuda") -> subprocess.CompletedProcess[str]:
    provider = devices.chosen()
    assert provider is not None
    command = [Path(sys.executable).with_name("netrun"), *arguments, "--device", device]
    return subprocess.run(
        command,
        cwd=folder,
        env=provider.commands(),
        capture_output=True,
        text=True,
    )


def done(folder: Path, *arguments: str, device: str = "cuda") -> str:
    """The output of a command that succeeds."""
    result = netrun(folder, *arguments, device=device)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_train_eval_run_and_predict(folder: Path) -> None:
    """Weights that a run on the device has saved give the same figures and outputs on both devices."""
    train = ("train", "net.net", "--data", "data.npz", "--out", "run")
    done(folder, *train, "--epochs", "1")
    done(folder, *train, "--epochs", "2", "--resume")
    weights = ("-w", "run/last.safetensors")
    figures, outputs, answers = {}, {}, {}
    for device in ("cpu", "cuda"):
        measured = done(folder, "eval", "net.net", "--data", "data.npz", *weights, "--json", device=device)
        figures[device] = json.loads(measured)["figures"][""]
        done(folder, "run", "net.net", "-i", "x=x.npy", *weights, "--save", f"{device}.npz", device=device)
        predict = ("predict", "net.net", "--data", "data.npz", *weights, "--batch-size", "12")
        done(folder, *predict, "-o", f"rows-{device}.npz", device=device)
        done(folder, *predict, "-o", f"{device}.csv", device=device)
        outputs[device] = [np.load(folder / f"{name}{device}.npz")["logits"] for name in ("", "rows-")]
        answers[device] = [
            line.split(",")[:2] for line in (folder / f"{device}.csv").read_text().splitlines()
        ]
    assert answers["cpu"] == answers["cuda"] and len(answers["cpu"]) == 33
    for ours, theirs in zip(outputs["cuda"], outputs["cpu"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert figures["cuda"] == pytest.approx(figures["cpu"], rel=1e-5)


def test_generate(folder: Path) -> None:
    texts = []
    for device in ("cpu", "cuda"):
        done = netrun(
            folder,
            *("generate", str(EXAMPLES / "char_gpt.net"), "-w", str(EXAMPLES / "char_gpt.safetensors")),
            *("--prompt", "the ", "--max", "12", "--greedy"),
            device=device,
        )
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    assert texts[0] == texts[1]


def test_no_memory_for_a_value_is_an_error_with_the_line(folder: Path) -> None:
    done = netrun(folder, "run", "large.net", "-i", "ones", "--size", "B=2")
    assert done.returncode == 4, done.stderr
    assert "E0822" in done.stderr and "large.net:2" in done.stderr
    assert "Traceback" not in done.stderr
