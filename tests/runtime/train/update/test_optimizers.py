"""The optimizers against recorded trajectories of PyTorch, and LAMB and Lion against their papers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_cases import (
    KEPT,
    TORCH,
    Array,
    first_weights,
    flat,
    gradients,
    our_arguments,
    trajectory,
)

from netdsl.ops.numerics import blocking
from netruntime.errors import TrainingError
from netruntime.train.update.array_blocks import block_size
from netruntime.train.update.optimizers import LAMB, MASTER, OPTIMIZERS, Lion, Optimizer, make_optimizer

GOLDEN = Path(__file__).parents[3] / "data" / "optimizers_torch.npz"
ALL = sorted(OPTIMIZERS)


@pytest.mark.parametrize("case", TORCH)
def test_fifty_steps_are_those_of_torch(case: str) -> None:
    path = trajectory(make_optimizer(case.split()[0], our_arguments(TORCH[case][1])))
    with np.load(GOLDEN) as golden:
        for step, theirs in zip(KEPT, golden[case], strict=True):
            np.testing.assert_allclose(flat(path[step - 1]), theirs, rtol=1e-10, atol=1e-13)


def lamb_by_the_paper(rate: float, beta1: float, beta2: float, eps: float, decay: float) -> list[list[float]]:
    """Algorithm 2 of You et al. 2020, number by number; φ(z) = z."""
    weights, path = first_weights(), []
    m = {name: [0.0] * value.size for name, value in weights.items()}
    v = {name: [0.0] * value.size for name, value in weights.items()}
    for t in range(1, 51):
        grads = gradients(weights)
        for name, weight in weights.items():
            x, g = weight.reshape(-1).tolist(), grads[name].reshape(-1).tolist()
            update = []
            for i in range(len(x)):
                m[name][i] = beta1 * m[name][i] + (1 - beta1) * g[i]
                v[name][i] = beta2 * v[name][i] + (1 - beta2) * g[i] ** 2
                r = m[name][i] / (1 - beta1**t) / (math.sqrt(v[name][i] / (1 - beta2**t)) + eps)
                update.append(r + decay * x[i])
            ratio = math.hypot(*x) / math.hypot(*update)
            x = [x[i] - rate * ratio * update[i] for i in range(len(x))]
            weights[name] = np.array(x).reshape(weight.shape)
        path.append(flat(weights).tolist())
    return path


def lion_by_the_paper(rate: float, beta1: float, beta2: float, decay: float) -> list[list[float]]:
    """Algorithm 2 of Chen et al. 2023, number by number."""
    weights, path = first_weights(), []
    m = {name: [0.0] * value.size for name, value in weights.items()}
    for _ in range(50):
        grads = gradients(weights)
        for name, weight in weights.items():
            x, g = weight.reshape(-1).tolist(), grads[name].reshape(-1).tolist()
            for i in range(len(x)):
                c = beta1 * m[name][i] + (1 - beta1) * g[i]
                x[i] -= rate * ((c > 0) - (c < 0) + decay * x[i])
                m[name][i] = beta2 * m[name][i] + (1 - beta2) * g[i]
            weights[name] = np.array(x).reshape(weight.shape)
        path.append(flat(weights).tolist())
    return path


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lamb_is_that_of_the_paper(decay: float) -> None:
    ours = trajectory(LAMB(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=decay))
    theirs = lamb_by_the_paper(0.02, 0.8, 0.95, 1e-6, decay)
    for weights, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(flat(weights), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_lion_is_that_of_the_paper(decay: float) -> None:
    ours = trajectory(Lion(lr=0.01, beta1=0.9, beta2=0.95, weight_decay=decay))
    theirs = lion_by_the_paper(0.01, 0.9, 0.95, decay)
    for weights, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(flat(weights), expected, rtol=1e-10, atol=1e-13)


def one_step(optimizer: Optimizer, weight: Any, grad: Any, xp: Any = np, lr: float = 0.1) -> dict[str, Any]:
    state = optimizer.init(xp, weight)
    optimizer.update_weight(xp, weight, grad, state, step=1, lr=lr, decay=0.1)
    return state


@pytest.mark.parametrize("name", ALL)
def test_every_device_agrees_with_f64(name: str, xp: Any) -> None:
    rng = np.random.default_rng(0)
    weight, grad = rng.normal(size=(2, 300, 70))
    exact = weight.copy()
    one_step(make_optimizer(name, {}), exact, grad)
    single = xp.asarray(weight.astype(np.float32))
    one_step(make_optimizer(name, {}), single, xp.asarray(grad.astype(np.float32)), xp)
    host = single if xp is np else single.get()
    np.testing.assert_allclose(host, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("momentum", [False, True])
def test_blocks_do_not_change_the_result(name: str, momentum: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    size = 2 * block_size(np) + 7
    weight, grad = rng.normal(size=(2, size))
    arguments = {"momentum": 0.9} if momentum and "momentum" in OPTIMIZERS[name].arguments() else {}
    optimizer = make_optimizer(name, arguments)
    parts, whole = weight.copy(), weight.copy()
    kept = one_step(optimizer, parts, grad)
    monkeypatch.setattr(blocking, "CPU_BLOCKS", blocking.BlockSizes(weights=size))
    kept_whole = one_step(optimizer, whole, grad)
    if name == "lamb":
        np.testing.assert_allclose(parts, whole, rtol=1e-12)
    else:
        np.testing.assert_array_equal(parts, whole)
    for slot in kept:
        np.testing.assert_array_equal(kept[slot], kept_whole[slot])


@pytest.mark.parametrize("name", ALL)
def test_weights_that_are_not_laid_out_in_rows_are_updated_in_place(name: str) -> None:
    rng = np.random.default_rng(2)
    weight, grad = rng.normal(size=(2, 6, 5))
    turned, grad_turned = np.asfortranarray(weight), np.broadcast_to(grad[:1], grad.shape)
    grad = grad_turned.copy()
    one_step(make_optimizer(name, {}), weight, grad_turned)
    one_step(make_optimizer(name, {}), turned, np.asfortranarray(grad))
    assert turned.flags.f_contiguous
    np.testing.assert_allclose(turned, weight, rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_the_gradient_is_only_read(name: str) -> None:
    grad = np.random.default_rng(3).normal(size=(4, 3))
    before = grad.copy()
    grad.flags.writeable = False
    one_step(make_optimizer(name, {}), np.ones((4, 3)), grad)
    np.testing.assert_array_equal(grad, before)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,)])
def test_scalars_and_empty_weights(name: str, shape: tuple[int, ...]) -> None:
    weight, grad = np.ones(shape), np.full(shape, 0.5)
    state = one_step(make_optimizer(name, {}), weight, grad)
    assert weight.shape == shape and all(array.shape == shape for array in state.values())
    assert (weight < 1).all() and np.isfinite(weight).all()


@pytest.mark.parametrize("name", ALL)
def test_a_rate_of_zero_moves_nothing_and_still_remembers(name: str) -> None:
    weight = np.linspace(-1, 1, 6)
    state = one_step(make_optimizer(name, {}), weight, np.ones(6), lr=0.0)
    np.testing.assert_array_equal(weight, np.linspace(-1, 1, 6))
    assert all((state[slot] != 0).any() for slot in make_optimizer(name, {}).slots)


@pytest.mark.parametrize("name", ALL)
def test_a_gradient_of_zero_moves_nothing_without_decay(name: str) -> None:
    weight = np.linspace(-1, 1, 6)
    optimizer = make_optimizer(name, {})
    optimizer.update_weight(np, weight, np.zeros(6), optimizer.init(np, weight), step=1, lr=0.1, decay=0.0)
    np.testing.assert_array_equal(weight, np.linspace(-1, 1, 6))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_short_floats_follow_their_master_in_f32(name: str, kind: str) -> None:
    dtype = np.dtype(np.float16) if kind == "f16" else np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    optimizer = make_optimizer(name, {"lr": 1e-5})
    short, grad = np.full(8, 0.5, dtype), np.linspace(-1, 1, 8).astype(dtype)
    single, state = short.astype(np.float32), optimizer.init(np, short)
    state_single = optimizer.init(np, single)
    for step in range(1, 4):
        optimizer.update_weight(np, short, grad, state, step=step, lr=1e-5, decay=0.01)
        optimizer.update_weight(
            np, single, grad.astype(np.float32), state_single, step=step, lr=1e-5, decay=0.01
        )
    assert short.dtype == dtype and state[MASTER].dtype == np.float32
    np.testing.assert_array_equal(state[MASTER], single)
    np.testing.assert_array_equal(short, single.astype(dtype))
    assert (single != 0.5).any()


def test_lamb_moves_a_weight_of_zeros() -> None:
    weight = np.zeros(3)
    one_step(LAMB(), weight, np.ones(3))
    np.testing.assert_allclose(weight, -0.1, rtol=1e-5)


def test_steps_are_counted_from_one() -> None:
    optimizer, weight = make_optimizer("adam", {}), np.ones(2)
    with pytest.raises(ValueError, match="must be 1 or more, but is"):
        optimizer.update_weight(np, weight, weight, optimizer.init(np, weight), step=0, lr=0.1, decay=0.0)


def test_late_steps_have_finite_corrections() -> None:
    for name in ("adam", "nadam", "lamb"):
        optimizer, weight = make_optimizer(name, {"beta1": 0.999}), np.ones(2)
        optimizer.update_weight(
            np, weight, weight.copy(), optimizer.init(np, weight), step=10**7, lr=0.1, decay=0.0
        )
        assert np.isfinite(weight).all()


@pytest.mark.parametrize(
    ("name", "arguments", "code", "message"),
    [
        ("adam", {"beta1": 1.5}, "E1080", "`adam`: beta1 is 1.5, but must be in [0, 1)"),
        ("adam", {"beta2": 1.0}, "E1080", "`adam`: beta2 is 1, but must be in [0, 1)"),
        ("sgd", {"lr": -0.1}, "E1080", "`sgd`: lr is -0.1, but must be 0 or more"),
        ("sgd", {"lr": math.nan}, "E1080", "`sgd`: lr is nan, but must be 0 or more"),
        ("sgd", {"lr": math.inf}, "E1080", "`sgd`: lr is inf, but must be 0 or more"),
        ("sgd", {"lr": True}, "E1080", "`sgd`: lr is true, but must be a number"),
        ("sgd", {"nesterov": 1.0}, "E1080", "`sgd`: nesterov is 1, but must be true or false"),
        (
            "sgd",
            {"nesterov": True},
            "E1080",
            "`sgd`: momentum is 0, but must be above 0 with nesterov",
        ),
        ("lion", {"eps": 1e-8}, "E1081", "`lion` has no argument `eps`"),
        ("adamw", {"decoupled": False}, "E1081", "`adamw` has no argument `decoupled`"),
        ("adamm", {}, "E1081", "`adamm` is not an optimizer"),
    ],
)
def test_wrong_arguments(name: str, arguments: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make_optimizer(name, arguments)
    assert (caught.value.code, caught.value.diagnostics[0].message) == (code, message)


def test_the_result_is_the_same_bit_for_bit() -> None:
    first, second = (trajectory(make_optimizer("lamb", {}), 5) for _ in range(2))
    np.testing.assert_array_equal(flat(first[-1]), flat(second[-1]))


def in_f32(weights: dict[str, Array]) -> dict[str, Array]:
    return {name: value.astype(np.float32) for name, value in gradients(weights).items()}


def test_single_gradients_of_double_weights() -> None:
    path = trajectory(make_optimizer("adam", {}), 3, in_f32)
    assert all(weight.dtype == np.float64 for weight in path[-1].values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lion_steps_by_the_sign_of_any_number(dtype: Any) -> None:
    least = np.nextafter(dtype(0), dtype(1))
    grad = np.array([0.0, -0.0, 1e-30, -1e30, 2 * least, -2 * least, np.finfo(dtype).max], dtype)
    weight = np.zeros_like(grad)
    Lion(beta1=0.0).update_weight(np, weight, grad, Lion().init(np, weight), step=1, lr=0.5, decay=0.0)
    np.testing.assert_array_equal(weight, -0.5 * np.sign(grad))
