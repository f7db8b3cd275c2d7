"""Losses, metrics, recipes and settings of training in other frameworks, and what they are here."""

from __future__ import annotations

_LOSSES = {
    "cross_entropy": "crossentropy categoricalcrossentropy sparsecategoricalcrossentropy "
    "softmaxcrossentropy softmaxcrossentropywithlogits softmaxcrossentropywithintegerlabels "
    "sparsesoftmaxcrossentropywithlogits softmaxcrossentropywithlogitsv2",
    "binary_cross_entropy": "bce bcewithlogits binarycrossentropy binarycrossentropywithlogits "
    "sigmoidcrossentropywithlogits sigmoidcrossentropy sigmoidbinarycrossentropy",
    "mse": "mse meansquarederror squarederror",
    "l1": "l1 mae meanabsoluteerror absolutedifference",
    "huber": "huber smoothl1",
    "nll": "nll negativeloglikelihood",
    "kl_divergence": "kldiv kldivergence kullbackleiblerdivergence",
    "hinge": "hinge",
    "cosine": "cosineembedding cosinesimilarity",
    "triplet": "triplet tripletmargin",
    "ctc": "ctc",
}
_LOSS_OF = {word: ours for ours, words in _LOSSES.items() for word in words.split()}
PROBABILITIES = frozenset(
    "bce binarycrossentropy categoricalcrossentropy sparsecategoricalcrossentropy".split()
)
"""Losses that take probabilities there, where ours take logits."""

_METRICS = {
    "accuracy": "acc accuracy accuracyscore multiclassaccuracy binaryaccuracy categoricalaccuracy "
    "sparsecategoricalaccuracy",
    "top_k": "topk topkaccuracy topkcategoricalaccuracy sparsetopkcategoricalaccuracy top5accuracy",
    "f1": "f1 f1score",
    "r2": "r2 r2score",
    "mse": "mse meansquarederror",
    "l1": "mae meanabsoluteerror",
    "confusion_matrix": "confusionmatrix",
    "perplexity": "perplexity ppl",
}
_METRIC_OF = {word: ours for ours, words in _METRICS.items() for word in words.split()}

_RECIPES = {
    "step": "steplr multisteplr piecewiseconstant",
    "exponential": "exponentiallr exponentialdecay",
    "cosine": "cosineannealinglr cosineannealingwarmrestarts cosinedecay cosineannealing "
    "cosinedecayschedule warmupcosinedecayschedule getcosineschedulewithwarmup",
    "linear": "linearlr polynomiallr polynomialdecay linearschedule getlinearschedulewithwarmup",
    "one_cycle": "onecyclelr onecycle cosineonecycleschedule",
    "constant": "constantlr",
    "noam": "noamlr",
    "plateau": "reducelronplateau",
    "norm": "clipgradnorm clipbynorm clipbyglobalnorm clipnorm globalclipnorm maxgradnorm",
    "value": "clipgradvalue clipbyvalue clipvalue",
    "adjust": "lr learningrate",
}
_RECIPE_OF = {word: ours for ours, words in _RECIPES.items() for word in words.split()}

_CALLBACKS = "early stopping is `patience = 3`; the best weights are kept automatically"
SETTING_HELPS = {
    **dict.fromkeys(
        ("validation_split", "val_split", "valid_split", "test_size", "val_size"),
        "pass `--holdout {value}` to `netrun train`",
    ),
    **dict.fromkeys(("verbose", "progress_bar"), "remove it; `--plain` prints lines instead of the display"),
    **dict.fromkeys(("num_workers", "pin_memory", "workers"), "remove it; data is read ahead automatically"),
    **dict.fromkeys(("shuffle", "drop_last"), "remove it; the rows are shuffled in each epoch"),
    **dict.fromkeys(("device", "gpu", "gpus", "accelerator"), "pass `--device cuda` to `netrun train`"),
    **dict.fromkeys(
        ("data", "dataset", "train_data", "train_loader"), "pass `--data FILE` to `netrun train`"
    ),
    **dict.fromkeys(
        ("val_data", "validation_data", "valid", "val_loader"), "pass `--valid FILE` to `netrun train`"
    ),
    **dict.fromkeys(
        ("metrics", "metric"), "a metric is a line of its own: `metric accuracy = accuracy(logits, label)`"
    ),
    **dict.fromkeys(("callbacks", "callback", "early_stop"), _CALLBACKS),
    **dict.fromkeys(("dropout", "dropout_rate"), "dropout is a stage of the network: `-> Dropout({value})`"),
    **dict.fromkeys(
        ("gradient_accumulation_steps", "grad_accumulation", "accumulate_grad_batches"),
        "write `accumulate = {value}`",
    ),
    **dict.fromkeys(
        ("max_grad_norm", "clip_grad_norm", "gradient_clip_val", "clipnorm", "grad_clip_norm"),
        "write `clip = norm({value})`",
    ),
    **dict.fromkeys(("clipvalue", "clip_grad_value"), "write `clip = value({value})`"),
    **dict.fromkeys(("l2", "l2_reg", "l2_regularization"), "write `regularise = l2({value})`"),
    **dict.fromkeys(("l1_reg", "l1_regularization"), "write `regularise = l1({value})`"),
    **dict.fromkeys(
        ("warmup", "warmup_steps", "num_warmup_steps"), "write `schedule = linear(warmup={value})`"
    ),
    "warmup_ratio": "warmup is counted in updates: `schedule = linear(warmup=100)`",
    **dict.fromkeys(("label_smoothing", "smoothing"), "it is an argument of the loss: `smoothing={value}`"),
    **dict.fromkeys(("random_seed", "random_state", "manual_seed", "rng_seed"), "write `seed = {value}`"),
    **dict.fromkeys(("ema_decay", "ema_rate"), "write `ema = {value}`"),
    **dict.fromkeys(
        "amp use_amp fp16 bf16 half mixed_precision precision autocast scaler grad_scaler".split(),
        "remove it: the types in the file set the precision, such as `f32[B, 20]`",
    ),
    **dict.fromkeys(
        "compile torch_compile jit jit_compile xla".split(),
        "remove it: every network is compiled before it runs",
    ),
    **dict.fromkeys(
        "log_every log_interval log_every_n_steps logging_steps print_every".split(),
        "remove it: each epoch is logged, and `--tensorboard` writes more",
    ),
    **dict.fromkeys(
        "save_every save_steps save_interval checkpoint_every".split(),
        "pass `--save-every {value}` to `netrun train`, in updates",
    ),
    **dict.fromkeys(
        "eval_every eval_steps eval_interval val_check_interval".split(),
        "remove it: the validation data of `--valid FILE` is used after each epoch",
    ),
    **dict.fromkeys(
        "output_dir out_dir save_dir log_dir checkpoint_dir".split(), "pass `--out {value}` to `netrun train`"
    ),
    **dict.fromkeys(
        ("gradient_checkpointing", "use_checkpoint"),
        'write a line with the labels of blocks: `recompute "block.*"`',
    ),
    **dict.fromkeys(("num_train_epochs", "n_epochs", "max_epochs"), "write `epochs = {value}`"),
    **dict.fromkeys(
        ("distributed", "ddp", "strategy", "world_size"), "remove it: a network is trained on one device"
    ),
    **dict.fromkeys(
        ("resume_from_checkpoint", "checkpoint", "resume"), "continue a run with `--out DIR --resume`"
    ),
}
"""What to do about settings of other frameworks; `{value}` is the value as written."""


def loss_of(name: str) -> str | None:
    """Our loss for the name of one in another framework: `CrossEntropyLoss`, `categorical_crossentropy`."""
    return _LOSS_OF.get(_normal(name).removesuffix("loss"))


def takes_probabilities(name: str) -> bool:
    """Whether that loss takes probabilities, where ours takes logits."""
    return _normal(name).removesuffix("loss") in PROBABILITIES


def metric_of(name: str) -> str | None:
    """Our metric for the name of one in another framework."""
    return _METRIC_OF.get(_normal(name))


def recipe_of(name: str) -> str | None:
    """Our recipe for the name of a schedule or another recipe: `ReduceLROnPlateau`."""
    return _RECIPE_OF.get(_normal(name))


def _normal(name: str) -> str:
    return name.lower().replace("_", "")
