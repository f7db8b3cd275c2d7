"""The engines that `inference.py` compares, and what a process of one of them does.

Each function makes a call of one network on fixed inputs, from arrays of NumPy to arrays of NumPy. Of every
engine, only what it needs itself is imported.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_cases import BY_NAME, Case

ROOT = Path(__file__).parent.parent
FILES = ROOT / "build" / "bench"
"""ONNX files and compiled code, which are kept from one benchmark to the next."""
FURTHER = 64
"""The tokens that are generated after a prefix."""


@dataclass(frozen=True)
class Ready:
    """A network that an engine has loaded.

    Args:
        call: One run; the shapes of its results.
        parameters: How many numbers its weights hold; None if the engine does not say.
    """

    call: Callable[[], list[tuple[int, ...]]]
    parameters: int | None = None


def netdsl(case: Case, threads: int, engine: str = "native") -> Ready:
    import netruntime as nr
    from netruntime.engine.weights import parameters

    net = nr.load(case.source, engine=engine, threads=threads)
    count = sum(types.size.value for _, types in parameters(net.graph).values())
    arrays = case.arrays()
    if case.prefix:
        from netruntime.generation import Decoder, find_roles

        decoder = Decoder(net, find_roles(net.model, net.graph), {})
        return Ready(lambda: [_next_token(decoder, case, arrays["ids"]).shape], count)
    return Ready(lambda: [result.shape for result in net.run(arrays).values()], count)


def _next_token(decoder: Any, case: Case, ids: Any) -> Any:
    """One token more; after some, all begins again, so that the length stays about the same."""
    if not case.prefix <= decoder.length < case.prefix + FURTHER:
        decoder.restart()
        decoder.next(ids)
    return decoder.next(ids[:, :1])


def numpy(case: Case, threads: int) -> Ready:
    return netdsl(case, threads, "numpy")


def torch_eager(case: Case, threads: int) -> Ready:
    import torch

    torch.set_num_threads(threads)
    from torch_networks import network

    model = network(case.torch)
    count = sum(parameter.numel() for parameter in model.parameters())
    return Ready(_torch_call(model, case), count)


def torch_compile(case: Case, threads: int) -> Ready:
    import torch

    torch.set_num_threads(threads)
    from torch_networks import network

    model = network(case.torch)
    count = sum(parameter.numel() for parameter in model.parameters())
    return Ready(_torch_call(torch.compile(model, dynamic=False), case), count)


def _torch_call(model: Any, case: Case) -> Callable[[], list[tuple[int, ...]]]:
    import torch

    arrays = list(case.arrays().values())

    def call() -> list[tuple[int, ...]]:
        with torch.inference_mode():
            results = model(*map(torch.from_numpy, arrays))
        results = results if isinstance(results, tuple) else (results,)
        return [result.numpy().shape for result in results]

    return call


def transformers(case: Case, threads: int) -> Ready:
    """GPT-2 of transformers with its own cache: what `generate` does for a token, without sampling."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    ids = torch.from_numpy(case.arrays()["ids"]).long()
    with torch.inference_mode():
        cache = model(ids, use_cache=True).past_key_values

    def call() -> list[tuple[int, ...]]:
        with torch.inference_mode():
            logits = model(ids[:, :1], past_key_values=cache, use_cache=True).logits
        if cache.get_seq_length() > case.prefix + FURTHER:
            cache.crop(case.prefix - cache.get_seq_length())
        return [tuple(logits[:, -1].numpy().shape)]

    return Ready(call, sum(parameter.numel() for parameter in model.parameters()))


def onnx_file(case: Case) -> Path:
    return FILES / f"{case.key}.onnx"


def export(case: Case, threads: int) -> None:
    """Write the ONNX file of a case by PyTorch's exporter."""
    import torch
    from torch_networks import network

    torch.set_num_threads(threads)
    FILES.mkdir(parents=True, exist_ok=True)
    arguments = tuple(map(torch.from_numpy, case.arrays().values()))
    with torch.inference_mode():
        program = torch.onnx.export(
            network(case.torch), arguments, dynamo=True, input_names=list(case.inputs)
        )
        program.save(onnx_file(case))


def onnx_runtime(case: Case, threads: int) -> Ready:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx_file(case), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    feeds = dict(zip(names, case.arrays().values(), strict=True))
    return Ready(lambda: [result.shape for result in session.run(None, feeds)])


def openvino(case: Case, threads: int) -> Ready:
    from openvino import Core

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    settings["INFERENCE_PRECISION_HINT"] = "f32"
    model = Core().compile_model(onnx_file(case), "CPU", settings)
    request, arrays = model.create_infer_request(), list(case.arrays().values())
    return Ready(lambda: [array.shape for array in request.infer(arrays).values()])


ENGINES: dict[str, Callable[[Case, int], Ready]] = {
    "netdsl": netdsl,
    "netdsl on NumPy": numpy,
    "PyTorch": torch_eager,
    "torch.compile": torch_compile,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
    "transformers": transformers,
}
OURS = ("netdsl", "netdsl on NumPy")


def engines_of(case: Case) -> list[str]:
    """The engines that run a case."""
    if case.prefix:
        return [*OURS, "transformers"]
    return [name for name in ENGINES if name != "transformers"]


def peak_bytes() -> int:
    """The most memory of this process that was resident at once."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def work(engine: str, name: str, threads: int) -> None:
    """Load a network, then run it for as many seconds as each line of standard input says."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    ready = ENGINES[engine](BY_NAME[name], threads)
    shapes = ready.call()
    ready.call()

    def say(document: dict[str, Any]) -> None:
        print(json.dumps(document), file=answer, flush=True)

    say({"parameters": ready.parameters, "shapes": shapes})
    for line in sys.stdin:
        times = run_for(float(line), ready.call)
        peak = peak_bytes()
        say({"min": min(times), "median": statistics.median(times), "runs": len(times), "peak_bytes": peak})


def run_for(seconds: float, call: Callable[[], object]) -> list[float]:
    """The times of calls for so many seconds, of one at least; the first, which wakes threads, aside."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times
