"""Classes of immutable values: frozen dataclasses that are made in a tenth of the time.

`dataclass(frozen=True)` compiles six methods for each class, which takes half a millisecond, and a command
imports some five hundred classes. Here the constructor alone is compiled, at the first instance; most classes
have none in one command. The other methods are closures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

_Class = TypeVar("_Class")


@overload
def immutable(cls: type[_Class], /) -> type[_Class]: ...
@overload
def immutable(*, eq: bool = True, kw_only: bool = False) -> Callable[[type[_Class]], type[_Class]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def immutable(cls: type[Any] | None = None, /, *, eq: bool = True, kw_only: bool = False) -> Any:
    """Declare a class of immutable values, with the meaning of `dataclass(frozen=True)`.

    `fields`, `replace` and `asdict` of `dataclasses` work on its instances. A subclass is declared by this
    decorator too.

    Args:
        eq: Whether instances with equal fields are equal; otherwise each is equal to itself alone.
        kw_only: Whether the constructor takes all fields by name only.
    """

    def declare(cls: type[Any]) -> type[Any]:
        is_derived = cls.__setattr__ is _refuse_change  # type: ignore[comparison-overlap]
        if is_derived and not cls.__annotations__ and "__post_init__" not in vars(cls):
            return cls  # it has the fields of its base, and so the methods
        cls.__doc__ = cls.__doc__ or cls.__name__  # `dataclass` would describe the constructor, which is slow
        dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
        every = fields(cls)
        compared = _comparison([each.name for each in every if each.compare]) if eq else {}
        methods = {"__init__": _compiled_later(cls, every), "__repr__": _repr, **compared}
        for name, method in methods.items():
            if name not in vars(cls):
                setattr(cls, name, method)
        cls.__setattr__, cls.__delattr__ = _refuse_change, _refuse_deletion  # type: ignore[assignment]
        return cls

    return declare if cls is None else declare(cls)


_ABSENT = object()
"""The default of an argument whose value is made in each call."""


def _compiled_later(cls: type[Any], every: Sequence[Field[Any]]) -> Callable[..., None]:
    """`__init__`, which puts the constructor in its own place when the first instance is made."""

    def __init__(self: object, *args: Any, **kwargs: Any) -> None:
        cls.__init__ = constructor = _constructor(cls, every)
        constructor(self, *args, **kwargs)

    return __init__


def _constructor(cls: type[Any], every: Sequence[Field[Any]]) -> Callable[..., None]:
    """`__init__`, with an argument for each field."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_absent": _ABSENT}
    arguments: dict[bool, list[str]] = {False: [], True: []}
    lines = []
    for each in every:
        default, value = _default(each, names)
        if each.init:
            arguments[bool(each.kw_only)].append(each.name + default)
        if each.init or each.default_factory is not MISSING:
            lines.append(f" _set(self, {each.name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    parameters = ["self", *arguments[False], *(["*", *arguments[True]] if arguments[True] else [])]
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), names)
    method: Callable[..., None] = names["__init__"]
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    method.__annotations__ = {each.name: each.type for each in every if each.init} | {"return": None}
    return method


def _default(each: Field[Any], names: dict[str, Any]) -> tuple[str, str]:
    """The default of a field's argument, and the field's value, as code that uses `names`."""
    if each.default_factory is not MISSING:
        names[f"_new_{each.name}"] = each.default_factory
        made = f"_new_{each.name}()"
        return "=_absent", f"{made} if {each.name} is _absent else {each.name}" if each.init else made
    if each.default is not MISSING:
        names[f"_default_{each.name}"] = each.default
        return f"=_default_{each.name}", each.name
    return "", each.name


def _comparison(names: list[str]) -> dict[str, Callable[..., Any]]:
    """`__eq__` and `__hash__`, by the values of some fields."""
    values: Callable[[Any], Any] = attrgetter(*names) if len(names) > 1 else _tuple_of(names)

    def __eq__(self: Any, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__}


def _tuple_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What `attrgetter` is for several names, for at most one."""
    return lambda self: tuple([getattr(self, name) for name in names])


@recursive_repr()
def _repr(self: Any) -> str:
    values = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr]
    return f"{type(self).__qualname__}({', '.join(values)})"


def _refuse_change(self: object, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
