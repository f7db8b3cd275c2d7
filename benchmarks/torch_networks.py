"""The networks of `inference_cases.py` written in PyTorch, as its users write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, inner: nn.Module, down: nn.Module | None) -> None:
        super().__init__()
        self.inner, self.down = inner, down

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.inner(x) + (x if self.down is None else self.down(x)))


def conv_bn(channels: int, width: int, size: int, stride: int = 1, *, relu: bool = False) -> nn.Sequential:
    conv = nn.Conv2d(channels, width, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), *([nn.ReLU()] if relu else []))


def resnet(depths: list[int], bottleneck: bool) -> nn.Sequential:
    layers: list[nn.Module] = [conv_bn(3, 64, 7, 2, relu=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        for i in range(depth):
            width, stride = 64 * 2**stage, 2 if i == 0 and stage else 1
            out = 4 * width if bottleneck else width
            if bottleneck:
                first, last = conv_bn(channels, width, 1, relu=True), conv_bn(width, out, 1)
                inner = nn.Sequential(first, conv_bn(width, width, 3, stride, relu=True), last)
            else:
                inner = nn.Sequential(conv_bn(channels, width, 3, stride, relu=True), conv_bn(width, out, 3))
            down = conv_bn(channels, out, 1, stride) if stride != 1 or channels != out else None
            layers.append(Residual(inner, down))
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def conv(channels: int, width: int, size: int, stride: int = 1, pad: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, size, stride, pad), nn.ReLU())


def lenet5() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def mlp() -> nn.Module:
    layers = [nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(nn.Flatten(), *layers)


def alexnet() -> nn.Module:
    return nn.Sequential(
        *(conv(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), conv(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2)),
        *(conv(192, 384, 3, 1, 1), conv(384, 256, 3, 1, 1), conv(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()),
        nn.Linear(4096, 1000),
    )


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers.append(conv(channels, width, 3, 1, 1))
            channels = width
        layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


class Inception(nn.Module):
    def __init__(self, channels: int, *widths: int) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        self.one = conv(channels, one, 1)
        self.three = nn.Sequential(conv(channels, reduce3, 1), conv(reduce3, three, 3, 1, 1))
        self.five = nn.Sequential(conv(channels, reduce5, 1), conv(reduce5, five, 5, 1, 2))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(channels, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


def googlenet() -> nn.Module:
    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        *(conv(3, 64, 7, 2, 3), pool(), nn.LocalResponseNorm(5), conv(64, 64, 1), conv(64, 192, 3, 1, 1)),
        *(nn.LocalResponseNorm(5), pool()),
        *(Inception(192, 64, 96, 128, 16, 32, 32), Inception(256, 128, 128, 192, 32, 96, 64), pool()),
        *(Inception(480, 192, 96, 208, 16, 48, 64), Inception(512, 160, 112, 224, 24, 64, 64)),
        *(Inception(512, 128, 128, 256, 24, 64, 64), Inception(512, 112, 144, 288, 32, 64, 64)),
        *(Inception(528, 256, 160, 320, 32, 128, 128), pool()),
        *(Inception(832, 256, 160, 320, 32, 128, 128), Inception(832, 384, 192, 384, 48, 128, 128)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000)),
    )


class EncoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int, act: nn.Module, **options: Any) -> None:
        super().__init__()
        self.heads, self.pre, self.causal = heads, options.get("pre", False), options.get("causal", False)
        eps = options.get("eps", 1e-5)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.feed = nn.Sequential(nn.Linear(dim, hidden), act, nn.Linear(hidden, dim))

    def attention(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, steps, dim = x.shape
        q, k, v = self.qkv(x).view(batch, steps, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(batch, steps, dim))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.pre:
            x = x + self.attention(self.norm1(x), mask)
            return x + self.feed(self.norm2(x))
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.feed(x))


class Encoder(nn.Module):
    """Layers over features; `keep` is true where a position counts."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(512, 8, 2048, nn.ReLU()) for _ in range(6))
        steps, features = torch.arange(128.0)[:, None], torch.arange(0, 512, 2) / 512
        angles = steps / 10000**features
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], 2).view(128, 512))

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, keep[:, None, None, :])
        return x


class Vit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 768, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, 768))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 197, 768))
        layers = (EncoderLayer(768, 12, 3072, nn.GELU(), pre=True, eps=1e-6) for _ in range(12))
        self.layers = nn.Sequential(*layers, nn.LayerNorm(768, 1e-6))
        self.head = nn.Linear(768, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.layers(x)[:, 0])


class MiniLM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.segments = nn.Embedding(30522, 384), nn.Embedding(2, 384)
        self.positions, self.norm = nn.Embedding(512, 384), nn.LayerNorm(384, 1e-12)
        layers = (EncoderLayer(384, 12, 1536, nn.GELU(), eps=1e-12) for _ in range(6))
        self.layers = nn.ModuleList(layers)

    def forward(self, ids: Tensor, keep: Tensor, segment: Tensor) -> tuple[Tensor, Tensor]:
        x = self.words(ids) + self.segments(segment) + self.positions.weight[: ids.shape[1]]
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, keep[:, None, None, :])
        counts = keep[:, :, None].to(x.dtype)
        mean = (x * counts).sum(1) / counts.sum(1)
        return x, mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12)


class Gpt2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        act = nn.GELU(approximate="tanh")
        layers = (EncoderLayer(768, 12, 3072, act, pre=True, causal=True) for _ in range(12))
        self.layers = nn.Sequential(*layers, nn.LayerNorm(768))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.positions.weight[: ids.shape[1]]
        return F.linear(self.layers(x), self.words.weight)


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(512, 512, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x)[0]


NETWORKS = {
    "lenet5": lenet5,
    "mlp": mlp,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "resnet18": lambda: resnet([2, 2, 2, 2], False),
    "resnet50": lambda: resnet([3, 4, 6, 3], True),
    "googlenet": googlenet,
    "vit": Vit,
    "lstm": Lstm,
    "encoder": Encoder,
    "minilm": MiniLM,
    "gpt2": Gpt2,
}


def network(name: str) -> nn.Module:
    """A network with random weights, ready for inference."""
    torch.manual_seed(0)
    made: nn.Module = NETWORKS[name]()
    return made.eval()
