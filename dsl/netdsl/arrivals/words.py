"""Modules of other frameworks, and names in them that are written in another way here."""

from __future__ import annotations

MODULES = frozenset(
    "nn F torch functional keras layers tf jnp np jax numpy flax linen nnx hk haiku optax optim ops "
    "activations losses metrics optimizers torchvision sklearn einops".split()
)
"""The modules of other frameworks, as they are commonly imported."""

FRAMEWORKS = {
    **dict.fromkeys(("torch", "F", "functional"), "PyTorch"),
    **dict.fromkeys(("keras", "layers", "losses", "metrics", "optimizers"), "Keras"),
    "tf": "TensorFlow",
    **dict.fromkeys(("jnp", "jax", "flax", "linen", "nnx"), "JAX"),
    **dict.fromkeys(("hk", "haiku"), "Haiku"),
    "optax": "Optax",
    "sklearn": "scikit-learn",
    "einops": "einops",
    **dict.fromkeys(("np", "numpy"), "NumPy"),
}
"""The framework that a module usually belongs to."""

_ATTENTION = "the layer is `MultiHeadAttention(heads)`; `attention(q, k, v)` is the operator, without weights"
_RANDOM = "random values of the shape of `x` are `normal(shape(x))` or `uniform(shape(x))`"
PARTS = {
    "Parameter": "declare it in a block: `param gain: [D] = ones`",
    "Variable": "declare it in a block: `param gain: [D] = ones`",
    "TimeDistributed": "a layer is applied at each step as it is: write it without `TimeDistributed`",
    "Bidirectional": "both directions are an argument: `Recurrent(LSTM(32), bidirectional=true)`",
    "Lambda": "a function of your own is a block: `block Act(x: [*rest]) { return x * 2 }`, and here `Act`",
    "register_buffer": "declare it: `buffer mask: [20] = ones`",
    **dict.fromkeys(
        ("allclose", "isclose", "assert_close", "assert_allclose", "approx"),
        "values are compared by `expect y ~ ones([2, 3]) within 1e-4` in a `test`",
    ),
    "ModuleList": "repeat stages with `for i in 0..n { ... }` or `stage * n`",
    "Module": "a network is a `model`, and a part of one a `block`",
    "Model": "a network is a `model`, and a part of one a `block`",
    "Input": "an input is declared in the head of the model: `model Net(image: f32[B, 3, 32, 32])`",
    "newaxis": "`unsqueeze(x, 1)` adds an axis of size 1",
    "tensor": "`vector([1, 2])` makes a tensor of numbers",
    "array": "`vector([1, 2])` makes a tensor of numbers",
    "constant": "`vector([1, 2])` makes a tensor of numbers",
    **dict.fromkeys(
        ("tril", "triu", "generate_square_subsequent_mask", "band_part"),
        "a causal mask is `causal_mask(T, T)`, true where a query may attend to the key; "
        "layers take `causal=true`, as in `MultiHeadAttention(8, causal=true)`",
    ),
    "params": "weights belong to layers, or are declared in a block: `param w: [D, 10] = glorot`",
    "same": 'write `pad="same"`, in quotes',
    "placeholder": "an input is declared in the head of the model: `model Net(x: f32[B, 20])`",
    "get_variable": "declare it in a block: `param w: [D, 10] = glorot`",
    "pi": "write `3.141592653589793`",
    **dict.fromkeys(("Attention", "SelfAttention", "CrossAttention", "MHA"), _ATTENTION),
    **dict.fromkeys("randn rand randn_like rand_like random".split(), _RANDOM),
}
"""Names of other frameworks that are written in another way here."""

TYPES = {"float": "f32", "half": "f16", "double": "f64", "long": "i64", "int": "i32", "bool": "bool"}
"""Methods that convert the elements of a tensor."""

WITH_WEIGHTS = {"linear": "Linear", "conv": "Conv", "conv_transpose": "ConvTranspose"}
NUMBERED = ("conv1d", "conv2d", "conv3d")
WITH_WEIGHTS |= dict.fromkeys(NUMBERED, "Conv")
"""Operators that are given a weight, and the layers that have one."""
LISTED = {"view": "reshape", "permute": "transpose"}
FUNCTIONAL = {
    "dense": "Dense",
    "conv1d": "Conv1D",
    "conv2d": "Conv2D",
    "max_pooling2d": "MaxPooling2D",
    "average_pooling2d": "AveragePooling2D",
    "batch_normalization": "BatchNormalization",
}
"""Layers that are functions in TensorFlow 1, and their classes."""

_LAST, _FIRST = ("[:, -1]",), ("[:, 0]",)
_MEAN, _MAX = ("mean(over=1)", "global_avg_pool"), ("max(over=1)", "global_max_pool")
STEPS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("last last_step last_timestep last_token last_state last_hidden".split(), _LAST),
    **dict.fromkeys("last_output take_last select_last get_last final final_state final_step".split(), _LAST),
    **dict.fromkeys("first first_step first_token take_first select_first get_first".split(), _FIRST),
    **dict.fromkeys("cls cls_token cls_pool cls_pooling take_cls get_cls select_cls".split(), _FIRST),
    **dict.fromkeys("mean_pool mean_pooling pool_mean avg average average_pool pooled".split(), _MEAN),
    **dict.fromkeys("mean_over_time mean_tokens average_pooling temporal_mean".split(), _MEAN),
    **dict.fromkeys("max_pooling pool_max max_over_time temporal_max".split(), _MAX),
}
"""What people call a function that leaves one step of a sequence `[B, T, D]`, and what does it: an index, or
a stage."""
