"""Static arithmetic: numbers, sizes, lists and the functions on them, with every result in range."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import (
    MAX_LITERAL_SIZE,
    Evaluated,
    Number,
    Static,
    Tensor,
    describe,
    is_integer,
    is_number,
    literal_size,
    simplify,
)
from netdsl.dims import MAX_SIZE, Dim, FreeSizeError, SizeOverflowError, dim, maximum, minimum, product
from netdsl.source import Span
from netdsl.work import spend

T = TypeVar("T")


def combine(scope: Scope, operator: str, a: Static, b: Static, span: Span) -> Static:
    """`a operator b` on static values. Raises E0402 for kinds that do not go together, E0603 for overflow."""
    try:
        spend((literal_size(a) + literal_size(b)) / 8)
        if operator in ("==", "!=", "<", "<=", ">", ">="):
            return _compare(scope, operator, a, b, span)
        if operator == "+" and isinstance(a, tuple) and isinstance(b, tuple):
            return not_too_long(scope, a + b, span)
        if operator == "+" and isinstance(a, str) and isinstance(b, str):
            return not_too_long(scope, a + b, span)
        if operator == "*" and isinstance(a, tuple) and isinstance(b, int) and not isinstance(b, bool):
            if len(a) * max(b, 0) > MAX_LITERAL_SIZE:
                _too_long(scope, f"a list of {len(a) * b:,} elements", span)
            return not_too_long(scope, a * b, span)
        if not (is_number(a) and is_number(b)):
            scope.fail("E0402", f"`{operator}` cannot combine {describe(a)} with {describe(b)}", span)
        return _in_range(scope, _arithmetic(scope, operator, a, b, span), span)
    except ZeroDivisionError:
        scope.fail("E0404", f"`{operator}` divides {describe(a)} by zero", span)
    except SizeOverflowError as wrong:
        scope.fail("E0603", f"`{span.text}` is too large: {wrong}", span, help="use smaller sizes")
    except OverflowError:
        _overflow(scope, f"`{_show(a)} {operator} {_show(b)}`", span)


def _arithmetic(scope: Scope, operator: str, a: Number, b: Number, span: Span) -> Number:
    if is_integer(a) and is_integer(b) and operator in _ON_SIZES:
        return simplify(_ON_SIZES[operator](dim(a), dim(b)))
    if operator == "**" and isinstance(a, int) and isinstance(b, int) and b >= 0:
        if abs(a) > 1 and b * math.log2(abs(a)) > 64:
            _overflow(scope, f"`{a} ** {b}`", span)
        return int(a**b)
    x, y = fixed(scope, a, span), fixed(scope, b, span)
    if operator == "@":
        scope.fail(
            "E0402", "`@` multiplies tensors, but these are numbers", span, help="numbers multiply with `*`"
        )
    if operator == "**" and x < 0 and y != int(y):
        scope.fail("E0404", f"`{span.text}` is not a real number: {x} to the power of {y}", span)
    result = _ON_NUMBERS[operator](x, y)
    return float(result) if operator == "/" else result


_ON_SIZES: dict[str, Callable[[Dim, Dim], Dim]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}
_ON_NUMBERS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}


def fixed(scope: Scope, value: Number, span: Span) -> float:
    """A number from a number or a fixed size. Raises E0301 if symbols are free."""
    if isinstance(value, Dim):
        if not value.is_fixed:
            what = f"got `{value}`" if span.text == str(value) else f"`{span.text}` is `{value}`"
            scope.free_size(value, f"a fixed number is needed here, but {what}", span)
        return int(value)
    return value


def _compare(scope: Scope, operator: str, a: Static, b: Static, span: Span) -> bool:
    if is_integer(a) and is_integer(b):
        order = dim(a).compare(dim(b))
        if order is None and not (operator in ("==", "!=") and dim(a) == dim(b)):
            size = dim(a) - dim(b)
            message = f"this comparison needs fixed sizes, but got `{a} {operator} {b}`"
            scope.free_size(size, message, span)
        order = order or 0
    elif is_number(a) and is_number(b):
        x, y = fixed(scope, a, span), fixed(scope, b, span)
        order = (x > y) - (x < y)
    elif operator in ("==", "!="):
        return bool(a == b) == (operator == "==")
    else:
        scope.fail("E0402", f"`{operator}` cannot compare {describe(a)} with {describe(b)}", span)
    return {
        "==": order == 0,
        "!=": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
    }[operator]


def _in_range(scope: Scope, value: T, span: Span) -> T:
    if isinstance(value, int) and abs(value) > MAX_SIZE:
        _overflow(scope, f"`{span.text}`", span)
    if isinstance(value, float) and not math.isfinite(value):
        scope.fail("E0404", f"`{span.text}` is not a finite number", span)
    return value


def _overflow(scope: Scope, what: str, span: Span) -> NoReturn:
    scope.fail("E0603", f"{what} does not fit in 64 bits", span, help=f"the largest integer is {MAX_SIZE}")


def _show(value: Static) -> str:
    return str(value) if len(str(value)) < 30 else describe(value)


def not_too_long(scope: Scope, value: Static, span: Span) -> Static:
    """The list, text or block. Raises E0603 if it holds more values than a program needs."""
    found = literal_size(value)
    if found > MAX_LITERAL_SIZE:
        kind = "text" if isinstance(value, str) else "list" if isinstance(value, tuple) else "block"
        _too_long(scope, f"a {kind} that holds {found:,} values", span)
    return value


def _too_long(scope: Scope, what: str, span: Span) -> NoReturn:
    help = f"the limit is {MAX_LITERAL_SIZE:,}; nested values count"
    scope.fail("E0603", f"{what} is too long", span, help=help)


def negate(scope: Scope, value: Static, span: Span) -> Static:
    if not is_number(value):
        scope.fail("E0402", f"`-` needs a number, but got {describe(value)}", span)
    return simplify(-value)


def truth(scope: Scope, value: Evaluated, span: Span) -> bool:
    """A condition's value. Raises E0402 if it is not true or false."""
    if not isinstance(value, bool):
        help = None
        if isinstance(value, Tensor):
            help = "a condition is known before running; choose by elements with `where(condition, a, b)`"
        elif is_integer(value):
            help = f"compare it: `{span.text} != 0`"
        message = f"a condition must be true or false, but this is {describe(value)}"
        scope.fail("E0402", message, span, help=help)
    return value


# -- functions -----------------------------------------------------------------------------------

Function = Callable[..., Evaluated]
"""A function on static values; it raises `TypeError` or `ValueError` for those it does not take."""


def _extreme(pick: Function, sizes: Function) -> Function:
    def function(*args: Static) -> Evaluated:
        values = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
        if not values:
            raise ValueError("needs at least one value")
        result = values[0]
        for value in values[1:]:
            free = isinstance(value, Dim) or isinstance(result, Dim)
            result = simplify(sizes(result, value)) if free else pick(result, value)
        return result

    return function


def _total(values: Static) -> Static:
    numbers = [_number(value) for value in _as_list(values)]
    sizes = [number for number in numbers if is_integer(number)]
    return simplify(sum(sizes, dim(0))) if len(sizes) == len(numbers) else sum(map(_plain, numbers))


def _product(values: Static) -> Static:
    numbers = [_number(value) for value in _as_list(values)]
    sizes = [number for number in numbers if is_integer(number)]
    return simplify(product(sizes)) if len(sizes) == len(numbers) else math.prod(map(_plain, numbers))


def _number(value: Evaluated) -> Number:
    if not isinstance(value, (int, float, Dim)):
        raise TypeError
    return value


def _plain(number: Number) -> float:
    return int(number) if isinstance(number, Dim) else number


def _as_list(value: Static) -> tuple[Evaluated, ...]:
    if not isinstance(value, tuple):
        raise TypeError("needs a list")
    return value


def _spread(value: Static, count: Static) -> Static:
    values = value if isinstance(value, tuple) else (value,)
    n = int(_number(count))
    if len(values) not in (1, n):
        raise ValueError(f"needs {'1 value' if n == 1 else f'1 or {n} values'}, but got {len(values)}")
    return _not_too_many(n) and values * n if len(values) == 1 else values


def _one_for_each_axis(args: Sequence[Static]) -> str | None:
    """The first values of a list that has too many for the axes of the input."""
    values, axes = args[0], int(_number(args[1]))
    if not isinstance(values, tuple) or len(values) < axes:
        return None
    shown = ", ".join(map(str, values[:axes]))
    return f"write `[{shown}]`, one value for each axis of space, or one for all"


def _indices(start: Static, stop: Static) -> Static:
    positions = range(int(_number(start)), int(_number(stop)))
    return _not_too_many(positions.stop - positions.start) and tuple(positions)


class TooLongError(Exception):
    """A list would be longer than a program needs; raised before it is made."""


def _not_too_many(elements: int) -> bool:
    if elements > MAX_LITERAL_SIZE:
        raise TooLongError(f"a list of {elements:,} elements")
    return True


def _rounded(function: Callable[[float], int]) -> Function:
    return lambda x: x if isinstance(x, Dim) else function(x)


def _real(function: Callable[[float], float]) -> Function:
    return lambda x: function(float(int(x) if isinstance(x, Dim) else x))


FUNCTIONS: dict[str, Function] = {
    "min": _extreme(min, minimum),
    "max": _extreme(max, maximum),
    "abs": lambda x: abs(int(x)) if is_integer(x) else abs(x),
    "len": lambda x: len(_as_list(x)),
    "sum": _total,
    "prod": _product,
    "spread": _spread,
    "indices": _indices,
    "reverse": lambda x: tuple(reversed(_as_list(x))),
    "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil),
    "round": _rounded(round),
    "sqrt": _real(math.sqrt),
    "exp": _real(math.exp),
    "log": _real(math.log),
    "sin": _real(math.sin),
    "cos": _real(math.cos),
}
"""Functions on static values. Where an operator has the same name, tensors go to the operator."""


def call(scope: Scope, name: str, args: Sequence[Static], span: Span, argument: Span) -> Evaluated:
    """A function on static values; `argument` is the place of its first one. Raises E0405."""
    try:
        spend(sum(len(arg) for arg in args if isinstance(arg, tuple)) * 3)
        value = FUNCTIONS[name](*args)
        return _in_range(scope, not_too_long(scope, value, span) if isinstance(value, tuple) else value, span)
    except TooLongError as wrong:
        _too_long(scope, str(wrong), span)
    except FreeSizeError as free:
        scope.free_size(free.dim, f"`{name}` needs a fixed number, but got `{free.dim}`", span)
    except (SizeOverflowError, OverflowError):
        _overflow(scope, f"`{span.text}`", span)
    except (TypeError, ValueError, AttributeError) as wrong:
        if scope.module.is_std and scope.block is not None and str(wrong).startswith("needs"):
            help = _one_for_each_axis(args) if name == "spread" else None
            scope.fail("E0405", f"`{argument.text}` of `{scope.block.name}` {wrong}", argument, help=help)
        shown = " and ".join(map(describe, args)) or "nothing"
        detail = f": it {wrong}" if str(wrong).startswith("needs") else ""
        scope.fail("E0405", f"`{name}` cannot take {shown}{detail}", span)
