"""The layers and functions of other frameworks: their parameters in order, and how they are said here.

A template is a call of ours whose arguments are parameters of theirs: `Conv(out_channels, kernel_size,
pad=padding)`. Those that were not given are left out. Parameters in no template and not in `inferred` have
no counterpart.
"""

from __future__ import annotations

from netdsl.immutable import immutable


@immutable
class Foreign:
    """A function of another framework.

    Attributes:
        params: Its parameters in order. One that takes a tensor is written `*x`.
        says: The template of our call.
        inferred: Parameters that are not needed here: sizes that the input has, devices, flags.
        defaults: Values of theirs that differ from ours, for parameters that are not given.
        source: The framework.
    """

    params: tuple[str, ...]
    says: str
    inferred: frozenset[str] = frozenset()
    defaults: tuple[tuple[str, str], ...] = ()
    source: str = "PyTorch"


_UNUSED = "device dtype inplace padding_mode track_running_stats affine elementwise_affine return_indices"
NEUTRAL = {
    "dropout": ("0", "0.0", "0."),
    "dropout_p": ("0", "0.0", "0."),
    "reduction": ("mean",),
    "affine": ("true",),
    "elementwise_affine": ("true",),
    "track_running_stats": ("true",),
    "padding_mode": ("zeros",),
    "return_indices": ("false",),
    "data_format": ("channels_first",),
    "batch_first": ("true",),
    "return_attention_scores": ("false",),
    "kernel_regularizer": ("none",),
    "kernel_initializer": ("glorot_uniform",),
    "bias_initializer": ("zeros",),
    "mask_zero": ("false",),
    "stateful": ("false",),
    "activation": ("linear", "none"),
    "end_dim": ("-1",),
    "value_dim": ("none",),
    "deterministic": ("true", "false"),
    **dict.fromkeys(("alpha", "beta"), ("1", "1.0")),
    **dict.fromkeys(("transA", "transB"), ("0",)),
}
"""Arguments without a counterpart, and the values at which leaving them out changes nothing."""
_KERAS = "name trainable data_format input_shape kernel_initializer bias_initializer kernel_regularizer"


def _torch(params: str, says: str, inferred: str = "", source: str = "PyTorch", **defaults: str) -> Foreign:
    unused = frozenset(f"{inferred} {_UNUSED}".split())
    return Foreign(tuple(params.split()), says, unused, tuple(defaults.items()), source)


def _flax(params: str, says: str) -> Foreign:
    return Foreign(tuple(params.split()), says, frozenset("dtype name".split()), (), "Flax")


def _keras(params: str, says: str, inferred: str = "", **defaults: str) -> Foreign:
    unused = frozenset(f"{inferred} {_KERAS} dtype".split())
    return Foreign(tuple(params.split()), says, unused, tuple(defaults.items()), "Keras")


_CONV = _torch(
    "in_channels out_channels kernel_size stride padding dilation groups bias",
    "Conv(out_channels, kernel_size, stride=stride, pad=padding, dilation=dilation, groups=groups, "
    "bias=bias)",
    "in_channels",
)
_CONV_TRANSPOSE = _torch(
    "in_channels out_channels kernel_size stride padding output_padding groups bias dilation",
    "ConvTranspose(out_channels, kernel_size, stride=stride, pad=padding, output_pad=output_padding, "
    "dilation=dilation, groups=groups, bias=bias)",
    "in_channels",
)
_MAX_POOL = _torch(
    "kernel_size stride padding dilation return_indices ceil_mode",
    "MaxPool(kernel_size, stride=stride, pad=padding, dilation=dilation, ceil_mode=ceil_mode)",
)
_AVG_POOL = _torch(
    "kernel_size stride padding ceil_mode count_include_pad",
    "AvgPool(kernel_size, stride=stride, pad=padding, ceil_mode=ceil_mode, count_pad=count_include_pad)",
)
_BATCH_NORM = _torch("num_features eps momentum", "BatchNorm(eps=eps, momentum=momentum)", "num_features")
_LAYER_NORM = _torch("normalized_shape eps", "LayerNorm(eps=eps, bias=bias)", "normalized_shape")
_DROPOUT = _torch("p inplace", "Dropout(p)", "training")
_KERAS_CONV = _keras(
    "filters kernel_size strides padding data_format dilation_rate groups activation use_bias",
    "Conv(filters, kernel_size, stride=strides, pad=padding, dilation=dilation_rate, groups=groups, "
    "bias=use_bias)",
)
_KERAS_POOL = "pool_size strides padding"


def _recurrent(cell: str) -> Foreign:
    return _torch(
        "input_size hidden_size num_layers bias batch_first dropout bidirectional",
        f"{cell}(hidden_size, bias=bias)",
        "input_size batch_first num_layers bidirectional dropout",
    )


def _keras_recurrent(cell: str) -> Foreign:
    return _keras("units activation", f"{cell}(units)", "return_sequences return_state activation stateful")


_DENSE = (
    _keras("units activation use_bias", "Linear(units, bias=use_bias)"),
    _flax("features use_bias", "Linear(features, bias=use_bias)"),
)
LAYERS: dict[str, tuple[Foreign, ...]] = {
    "Linear": (
        _torch("in_features out_features bias", "Linear(out_features, bias=bias)", "in_features"),
        *_DENSE,
    ),
    "Dense": _DENSE,
    "Gemm": (_torch("out_features", "Linear(out_features)", source="ONNX"),),
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), (_CONV,)),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), (_KERAS_CONV,)),
    "Conv": (
        _CONV,
        _KERAS_CONV,
        _flax(
            "features kernel_size strides padding", "Conv(features, kernel_size, stride=strides, pad=padding)"
        ),
    ),
    **dict.fromkeys(("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"), (_CONV_TRANSPOSE,)),
    "ConvTranspose": (_CONV_TRANSPOSE,),
    "Conv2DTranspose": (
        _keras("filters kernel_size strides padding", "ConvTranspose(filters, kernel_size, stride=strides)"),
    ),
    "DepthwiseConv2D": (
        _keras("kernel_size strides padding", "DepthwiseConv(kernel_size, stride=strides, pad=padding)"),
    ),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d", "MaxPool3d"), (_MAX_POOL,)),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d", "AvgPool3d"), (_AVG_POOL,)),
    "MaxPool": (_MAX_POOL, _keras(_KERAS_POOL, "MaxPool(pool_size, stride=strides, pad=padding)")),
    "AvgPool": (_AVG_POOL, _keras(_KERAS_POOL, "AvgPool(pool_size, stride=strides, pad=padding)")),
    **dict.fromkeys(
        ("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MaxPool2D"),
        (_keras(_KERAS_POOL, "MaxPool(pool_size, stride=strides, pad=padding)", pool_size="2"),),
    ),
    **dict.fromkeys(
        ("AveragePooling1D", "AveragePooling2D", "AvgPool2D"),
        (_keras(_KERAS_POOL, "AvgPool(pool_size, stride=strides, pad=padding)", pool_size="2"),),
    ),
    **dict.fromkeys(
        (
            "GlobalAveragePooling1D",
            "GlobalAveragePooling2D",
            "GlobalAvgPool1D",
            "GlobalAvgPool2D",
            "GlobalAvgPool",
        ),
        (_keras("", "global_avg_pool()"),),
    ),
    **dict.fromkeys(
        ("GlobalMaxPooling2D", "GlobalMaxPool2D", "GlobalMaxPool"), (_keras("", "global_max_pool()"),)
    ),
    **dict.fromkeys(
        ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"), (_torch("output_size", "adaptive_avg_pool(output_size)"),)
    ),
    "AdaptiveMaxPool2d": (_torch("output_size", "adaptive_max_pool(output_size)"),),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"), (_BATCH_NORM,)),
    "BatchNorm": (_BATCH_NORM,),
    "BatchNormalization": (
        _keras("axis momentum epsilon", "BatchNorm(eps=epsilon, momentum=momentum)", "axis", epsilon="1e-3"),
    ),
    "LayerNorm": (_LAYER_NORM, _keras("epsilon", "LayerNorm(eps=epsilon)")),
    "LayerNormalization": (_keras("axis epsilon", "LayerNorm(eps=epsilon)", "axis", epsilon="1e-3"),),
    "RMSNorm": (_torch("normalized_shape eps", "RMSNorm(eps=eps)", "normalized_shape"),),
    "GroupNorm": (
        _torch("num_groups num_channels eps", "GroupNorm(num_groups, eps=eps)", "num_channels"),
        _keras("groups axis epsilon", "GroupNorm(groups, eps=epsilon)", "axis"),
    ),
    **dict.fromkeys(
        ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm"),
        (_torch("num_features eps momentum", "InstanceNorm(eps=eps)", "num_features momentum"),),
    ),
    "Embedding": (
        _torch("num_embeddings embedding_dim padding_idx", "Embedding(num_embeddings, embedding_dim)"),
        _keras("input_dim output_dim", "Embedding(input_dim, output_dim)", "input_length mask_zero"),
    ),
    "Embed": (_flax("num_embeddings features", "Embedding(num_embeddings, features)"),),
    **dict.fromkeys(("Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"), (_DROPOUT,)),
    "Dropout": (
        _DROPOUT,
        _keras("rate noise_shape seed", "Dropout(rate)", "deterministic seed"),
        _torch("drop_rate", "Dropout(drop_rate)"),
        _torch("prob", "Dropout(prob)"),
    ),
    **{cell: (_recurrent(cell), _keras_recurrent(cell)) for cell in ("LSTM", "GRU", "RNN")},
    "SimpleRNN": (_keras_recurrent("RNN"),),
    "MultiheadAttention": (
        _torch(
            "embed_dim num_heads dropout bias",
            "MultiHeadAttention(num_heads, bias=bias)",
            "embed_dim dropout batch_first",
        ),
    ),
    "MultiHeadAttention": (
        _torch(
            "embed_dim num_heads dropout bias",
            "MultiHeadAttention(num_heads, bias=bias)",
            "embed_dim dropout batch_first",
        ),
        _keras(
            "num_heads key_dim value_dim dropout use_bias",
            "MultiHeadAttention(num_heads, head_size=key_dim, bias=use_bias)",
            "dropout value_dim",
        ),
    ),
    **dict.fromkeys(
        ("TransformerEncoderLayer", "EncoderLayer"),
        (
            _torch(
                "d_model nhead dim_feedforward dropout activation layer_norm_eps batch_first norm_first",
                "EncoderLayer(nhead, dim_feedforward, act=activation, dropout=dropout, eps=layer_norm_eps, "
                "pre=norm_first)",
                "d_model batch_first",
                dim_feedforward="2048",
                dropout="0.1",
            ),
        ),
    ),
    **dict.fromkeys(
        ("TransformerDecoderLayer", "DecoderLayer"),
        (
            _torch(
                "d_model nhead dim_feedforward dropout activation layer_norm_eps batch_first norm_first",
                "DecoderLayer(nhead, dim_feedforward, act=activation, dropout=dropout, eps=layer_norm_eps, "
                "pre=norm_first)",
                "d_model batch_first",
                dim_feedforward="2048",
                dropout="0.1",
            ),
        ),
    ),
    "Upsample": (
        _torch(
            "size scale_factor mode align_corners",
            "upsample(size=size, scale=scale_factor, mode=mode, align_corners=align_corners)",
        ),
    ),
    "UpSampling2D": (_keras("size", "upsample(scale=size)", size="2"),),
    "ZeroPad2d": (_torch("padding", "pad(padding, padding)"),),
    "Flatten": (
        _torch("start_dim end_dim", "flatten(start=start_dim)", "end_dim", source="PyTorch or Keras"),
    ),
    "Identity": (_torch("", "identity()"),),
    "Activation": (_keras("activation", "activation()"),),
}
"""Layers by the name of their class."""

_UNARY = (
    "relu elu selu celu gelu silu mish sigmoid tanh softplus softsign hard_sigmoid hard_swish exp log sqrt "
    "abs sign floor ceil round sin cos erf square"
)
ACTIVATIONS = {name.replace("_", ""): name for name in _UNARY.split()} | {
    "relu6": "clip",
    "swish": "silu",
    "leakyrelu": "leaky_relu",
    "logsoftmax": "log_softmax",
    "softmax": "softmax",
    "hardswish": "hard_swish",
    "hardsigmoid": "hard_sigmoid",
    "prelu": "prelu",
}
"""Activations by the name of their class or function, in small letters without `_`."""
TORCH_ACTIVATIONS = frozenset(
    """ReLU ReLU6 LeakyReLU PReLU ELU SELU CELU GELU SiLU Mish Sigmoid Tanh Softmax LogSoftmax Softplus
    Softsign Hardswish Hardsigmoid LogSigmoid""".split()
)
"""The names of the activations that are classes of PyTorch."""

_REDUCE = "*x dim keepdim"
FUNCTIONS: dict[str, tuple[Foreign, ...]] = {
    **{
        f"reduce_{name}": (_keras("*x axis keepdims", f"{name}(*x, over=axis, keepdims=keepdims)"),)
        for name in ("mean", "sum", "prod", "max", "min", "logsumexp")
    },
    **{
        name: (
            _torch(_REDUCE, f"{name}(*x, over=dim, keepdims=keepdim)"),
            _keras("*x axis keepdims", f"{name}(*x, over=axis, keepdims=keepdims)"),
        )
        for name in ("mean", "sum", "prod", "max", "min", "any", "all", "logsumexp")
    },
    "var": (
        _torch(
            "*x dim keepdim correction",
            "variance(*x, over=dim, keepdims=keepdim, correction=correction)",
            correction="1",
        ),
    ),
    **{
        name: (_torch("*x dim", f"{name}(*x, over=dim)"), _keras("*x axis", f"{name}(*x, over=axis)"))
        for name in ("softmax", "log_softmax", "argmax", "argmin", "cumsum")
    },
    "cat": (_torch("*xs dim", "concat(*xs, axis=dim)"),),
    **dict.fromkeys(
        ("concat", "concatenate", "Concatenate"),
        (_torch("*xs dim", "concat(*xs, axis=dim)"), _keras("*xs axis", "concat(*xs, axis=axis)")),
    ),
    "stack": (_torch("*xs dim", "stack(*xs, axis=dim)"), _keras("*xs axis", "stack(*xs, axis=axis)")),
    "split": (_torch("*x split_size dim", "split(*x, split_size, axis=dim)"),),
    "chunk": (_torch("*x chunks dim", "split(*x, chunks, axis=dim)"),),
    "flatten": (_torch("*x start_dim", "flatten(*x, start=start_dim)"),),
    "squeeze": (_torch("*x dim", "squeeze(*x, dim)"), _keras("*x axis", "squeeze(*x, axis)")),
    "unsqueeze": (_torch("*x dim", "unsqueeze(*x, dim)"),),
    "expand_dims": (_keras("*x axis", "unsqueeze(*x, axis)"),),
    "permute": (_torch("*x dims", "transpose(*x, dims)"),),
    "matmul": (_torch("*x *other", "matmul(*x, *other)"),),
    "mm": (_torch("*x *other", "matmul(*x, *other)"),),
    "bmm": (_torch("*x *other", "matmul(*x, *other)"),),
    "dot": (_torch("*x *other", "matmul(*x, *other)"),),
    "Gemm": (_torch("*A *B *C alpha beta transA transB", "linear(*A, *B, *C)", "axis", source="ONNX"),),
    "MatMul": (_torch("*A *B", "matmul(*A, *B)", source="ONNX"),),
    "clamp": (_torch("*x min max", "clip(*x, min, max)"),),
    "leaky_relu": (_torch("*x negative_slope", "leaky_relu(*x, negative_slope)"),),
    "dropout": (_torch("*x p training inplace", "dropout(*x, p)", "training"),),
    "max_pool2d": (
        _torch("*x kernel_size stride padding", "max_pool(*x, kernel_size, stride=stride, pad=padding)"),
    ),
    "avg_pool2d": (
        _torch("*x kernel_size stride padding", "avg_pool(*x, kernel_size, stride=stride, pad=padding)"),
    ),
    "adaptive_avg_pool2d": (_torch("*x output_size", "adaptive_avg_pool(*x, output_size)"),),
    "interpolate": (
        _torch("*x size scale_factor mode", "upsample(*x, size=size, scale=scale_factor, mode=mode)"),
    ),
    "cross_entropy": (
        _torch(
            "*input *target weight ignore_index reduction label_smoothing",
            "cross_entropy(*input, *target, smoothing=label_smoothing, ignore=ignore_index, weights=weight)",
            "reduction",
        ),
    ),
    "mse_loss": (_torch("*input *target reduction", "mse(*input, *target)", "reduction"),),
    "l1_loss": (_torch("*input *target reduction", "l1(*input, *target)", "reduction"),),
    "smooth_l1_loss": (_torch("*input *target reduction", "huber(*input, *target)", "reduction"),),
    "binary_cross_entropy_with_logits": (
        _torch(
            "*input *target weight pos_weight reduction",
            "binary_cross_entropy(*input, *target, positive=pos_weight)",
            "reduction",
        ),
    ),
    "nll_loss": (
        _torch(
            "*input *target weight ignore_index reduction",
            "nll(*input, *target, ignore=ignore_index, weights=weight)",
            "reduction",
        ),
    ),
    "scaled_dot_product_attention": (
        _torch(
            "*q *k *v attn_mask dropout_p is_causal", "attention(*q, *k, *v, causal=is_causal)", "dropout_p"
        ),
    ),
}
"""Functions that take tensors, by name."""
