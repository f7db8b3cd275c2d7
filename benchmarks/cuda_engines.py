"""The same models in netdsl and in PyTorch, on a GPU in f32: one run of each kind of work, ready to be timed.

PyTorch's models are those of torchvision and transformers, run eagerly, with TF32 off. Both engines get the
inputs of inference on the GPU; the batches of training and the tokens come from the host.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parent.parent / "examples"
CLASSES = 1000
VOCABULARY = 50257
PREFIX = 512
Work = Callable[[], object]


def images(name: str, batch: int) -> np.ndarray[Any, Any]:
    shape = (1, 28, 28) if name == "lenet5" else (3, 224, 224)
    return np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)


def tokens(batch: int, length: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, VOCABULARY, (batch, length)).astype(np.int32)


def data(name: str, batch: int) -> np.ndarray[Any, Any]:
    return tokens(batch, 128) if name == "gpt2" else images(name, batch)


# -- netdsl ---------------------------------------------------------------------------------------


def netdsl(kind: str, name: str, batch: int) -> Work:
    return {"inference": _run, "training step": _step, "token": _token}[kind](name, batch)


def _run(name: str, batch: int) -> Work:
    import netruntime as nr

    net = nr.load(EXAMPLES / f"{name}.net", device="cuda")
    (source,) = net.inputs
    there = net.device.array(data(name, batch))

    def run() -> None:
        net.run({source: there})
        net.device.xp.cuda.Device().synchronize()

    return run


def _step(name: str, batch: int) -> Work:
    from training_cases import below, classifier

    from netdsl.checker import check
    from netruntime.engine.backends import open_device
    from netruntime.engine.loading import open_module
    from netruntime.train.initial_weights import first_weights
    from netruntime.train.phase import Length
    from netruntime.train.trainer import Trainer

    if name == "gpt2":
        from training_cases import case

        labels = {"label: i32[B, T]": below(VOCABULARY, batch, 128)}
        work = case("gpt2", "GPT2", {"ids": below(VOCABULARY, batch, 128)}, labels=labels)
    else:
        models = {"resnet18": "ResNet18", "vit": "ViT"}
        work = classifier(name, models[name], batch, 3, 224, 224)
    module = open_module(work.training_text("  optimizer = adam(1e-4)"))
    phases = check(module, work.config, training=True).phases
    device = open_device("cuda")
    trainer = Trainer(phases, first_weights(phases, 0).arrays, device)
    rows = work.batch()

    def step() -> None:
        trainer.advance([rows], Length(1000, 1000))
        device.xp.cuda.Device().synchronize()

    return step


def _token(name: str, batch: int) -> Work:
    import netruntime as nr
    from netruntime.generation import Decoder, find_roles

    net = nr.load(EXAMPLES / f"{name}.net", device="cuda")
    decoder = Decoder(net, find_roles(net.model, net.graph), {})
    prefix = tokens(batch, PREFIX)
    decoder.next(prefix)
    return lambda: decoder.next(prefix[:, :1])


# -- PyTorch --------------------------------------------------------------------------------------


def torch(kind: str, name: str, batch: int) -> Work:
    import torch as engine

    engine.backends.cuda.matmul.allow_tf32 = False
    engine.backends.cudnn.allow_tf32 = False
    return {"inference": _torch_run, "training step": _torch_step, "token": _torch_token}[kind](name, batch)


def _model(name: str) -> Any:
    if name == "gpt2":
        from transformers import GPT2Config, GPT2LMHeadModel

        plain = GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
        return GPT2LMHeadModel(plain).cuda()
    if name == "lenet5":
        return _lenet5().cuda()
    import torchvision

    return {
        "resnet18": torchvision.models.resnet18,
        "resnet50": torchvision.models.resnet50,
        "vit": torchvision.models.vit_b_16,
    }[name]().cuda()


def _lenet5() -> Any:
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def _logits(name: str, model: Any, values: Any) -> Any:
    return model(values, use_cache=False).logits if name == "gpt2" else model(values)


def _torch_run(name: str, batch: int) -> Work:
    import torch as engine

    model = _model(name).eval()
    there = engine.from_numpy(data(name, batch)).cuda()

    def run() -> None:
        with engine.inference_mode():
            _logits(name, model, there)
        engine.cuda.synchronize()

    return run


def _torch_step(name: str, batch: int) -> Work:
    import torch as engine

    model = _model(name).train()
    optimizer = engine.optim.Adam(model.parameters(), 1e-4)
    rows = engine.from_numpy(data(name, batch))
    classes, shape = (VOCABULARY, (batch, 128)) if name == "gpt2" else (CLASSES, (batch,))
    labels = engine.from_numpy(np.random.default_rng(1).integers(0, classes, shape))

    def step() -> None:
        optimizer.zero_grad()
        logits = _logits(name, model, rows.cuda())
        loss = engine.nn.functional.cross_entropy(logits.flatten(0, -2), labels.cuda().flatten())
        loss.backward()
        optimizer.step()
        loss.item()
        engine.cuda.synchronize()

    return step


def _torch_token(name: str, batch: int) -> Work:
    import torch as engine

    model = _model(name).eval()
    prefix = engine.from_numpy(tokens(batch, PREFIX))
    with engine.inference_mode():
        cache = model(prefix.cuda(), use_cache=True).past_key_values

    def token() -> None:
        with engine.inference_mode():
            model(prefix[:, :1].cuda(), past_key_values=cache, use_cache=True).logits[:, -1].cpu()

    return token
