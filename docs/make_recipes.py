"""Writes the tables of docs/training.md from the declarations of recipes: `python docs/make_recipes.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path

from netdsl import syntax as s
from netdsl.modules import LOSSES_FILE, METRICS_FILE, std_module
from netdsl.recipes import (
    CLIPS,
    GROUPS,
    LOSSES,
    METRICS,
    NUMBERS,
    OPTIMIZERS,
    REGULARISERS,
    SCHEDULES,
    Argument,
    Recipe,
)
from netdsl.recipes.limits import Limit, written

PAGE = Path(__file__).parent / "training.md"
BEGIN, END = "<!-- recipes: begin, written by docs/make_recipes.py -->", "<!-- recipes: end -->"
Row = tuple[str, ...]
BAR = "\\|"
"""A bar that does not end a cell."""
DIRECTION = {"max": "higher", "min": "lower", None: "–"}


def table(head: Row, rows: list[Row]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |\n" for line in lines)


def recipe_rows(recipes: Mapping[str, type[Recipe]]) -> list[Row]:
    """A row for each recipe, with its arguments."""
    return [
        (
            f"`{name}`",
            (inspect.getdoc(recipe) or "").partition("\n\n")[0].replace("\n", " "),
            "; ".join(argument_text(argument) for argument in recipe.arguments().values()),
        )
        for name, recipe in recipes.items()
    ]


def argument_text(argument: Argument) -> str:
    """An argument with its default, where it has one, and its range."""
    default = "" if argument.default is None else f"={written(argument.default)}"
    return f"`{argument.name}{default}` {argument.limit.text}"


def block_rows(file: str, limits: Mapping[str, Mapping[str, Limit]]) -> list[Row]:
    """A row for each block of a standard file, with its options."""
    rows: list[Row] = []
    for name, options in limits.items():
        block = std_module(file).blocks[name]
        called = f"`{name}({', '.join(slot.name.text for slot in block.inputs)})`"
        rows.append((called, "; ".join(option_text(param, options) for param in block.statics) or "–"))
    return rows


def option_text(param: s.Param, limits: Mapping[str, Limit]) -> str:
    """An option of a block with its default and, where it has one, its range."""
    default = f"={param.default.span.text}" if param.default else ""
    limit = limits.get(param.name.text)
    return f"`{param.name}{default}`{f' {limit.text}' if limit else ''}"


def metric_rows() -> list[Row]:
    """A row for each metric, which says the direction that is better."""
    rows = block_rows(METRICS_FILE, {name: metric.limits for name, metric in METRICS.items()})
    better = (DIRECTION[metric.better] for metric in METRICS.values())
    return [(called, direction, options) for (called, options), direction in zip(rows, better, strict=True)]


def tables() -> str:
    """All tables, as they are between the markers."""
    columns = ("about", "arguments")
    numbers = [(argument_text(number),) for number in NUMBERS.values()]
    parts = {
        "Optimizers": table(("optimizer", *columns), recipe_rows(OPTIMIZERS)),
        "Schedules": table(("schedule", *columns), recipe_rows(SCHEDULES)),
        "Gradient clipping": table(("clip", *columns), recipe_rows(CLIPS)),
        "Regularisers": table(("regulariser", *columns), recipe_rows(REGULARISERS)),
        "Groups": table(("group", *columns), recipe_rows(GROUPS)),
        "Numeric settings": table(("setting",), numbers),
        "Losses": table(("loss", "options"), block_rows(LOSSES_FILE, LOSSES)),
        "Metrics": table(("metric", "better", "options"), metric_rows()),
    }
    return "\n".join(f"### {title}\n\n{text}" for title, text in parts.items())


def page(text: str) -> str:
    """The page with its tables as they are declared now."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    new, count = pattern.subn(lambda _: f"{BEGIN}\n\n{tables()}\n{END}", text)
    if count != 1:
        raise ValueError(f"{PAGE.name} needs the markers once, and has them {count} times")
    return new


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
