"""Classes of immutable values: they do what the frozen dataclasses of the standard library do."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property
from math import nan
from typing import Any, ClassVar

import pytest

from netdsl.immutable import immutable


def sample(declare: Callable[[type], Any]) -> Any:
    """A class with a field of each kind, made by a decorator."""

    @declare
    class Sample:
        """Fields of each kind."""

        kind: ClassVar[str] = "a"
        first: Any
        second: float = 2.0
        names: list[str] = field(default_factory=list)
        hidden: str = field(default="", repr=False)
        note: str = field(default="", compare=False)
        made: dict[str, int] = field(default_factory=dict, init=False, compare=False)
        fixed: int = field(default=7, init=False)

        @cached_property
        def twice(self) -> Any:
            return self.first * 2

    return Sample


THEIRS, OURS = sample(dataclass(frozen=True)), sample(immutable)


@immutable
class Empty:
    """Without fields."""


@immutable
class Single:
    """With one field."""

    value: Any


@immutable
class Derived(Single):
    """With a field more than its base, and a check."""

    other: int = 0

    def __post_init__(self) -> None:
        if self.other < 0:
            raise ValueError("other is below 0")


@immutable(kw_only=True)
class Named:
    """Whose arguments are named."""

    a: int = 0
    b: int


@immutable(eq=False)
class Alone:
    """Equal to itself alone."""

    a: int


@pytest.mark.parametrize(
    "call",
    [
        lambda cls: repr(cls(1, 3.0, ["a"], "h", "n")),
        lambda cls: asdict(cls("x")),
        lambda cls: [(f.name, f.default, f.init) for f in fields(cls)],
        lambda cls: cls.__match_args__,
        lambda cls: cls(1) == cls(1, note="other"),
        lambda cls: [cls(1) == cls(2), cls(1) != cls(1, 3.0), cls(1) == (1, 2.0, [], "", "", {}, 7)],
        lambda cls: (cls(nan) == cls(nan), cls(nan) == cls(-nan)),
        lambda cls: cls(1).names is cls(1).names,
        lambda cls: repr(replace(cls(1), second=4.0)),
        lambda cls: repr(copy.deepcopy(cls([1]))),
        lambda cls: cls(4).twice,
    ],
)
def test_they_are_those_of_the_standard_library(call: Callable[[Any], object]) -> None:
    expected = call(THEIRS)
    assert call(OURS) == expected


def test_changes_are_refused() -> None:
    for value in (OURS(1), Single(1), Derived(1), Empty(), Alone(1)):
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'value'"):
            value.value = 2
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'value'"):
            del value.value


@pytest.mark.parametrize("arguments", [(), (1, 2, [], "", "", {}), (1, 2.0, [], "", "", 7)])
def test_arguments_are_checked(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        OURS(*arguments)
    with pytest.raises(TypeError, match=r"Named\.__init__\(\) takes 1 positional argument"):
        Named(1)  # type: ignore[misc]
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        Named(b=1, c=2)  # type: ignore[call-arg]


def test_equality_and_hash_go_by_class_and_values() -> None:
    assert hash(Single((1, 2))) == hash(Single((1, 2))) and Single(nan) != Single(-nan)
    assert Empty() == Empty() and hash(Empty()) == hash(Empty()) and Empty() != Single(1)
    assert Derived(1) == Derived(1, 0) and Derived(1) != Single(1) and Single(1) != Derived(1)
    assert len({Derived(1), Derived(1, 0), Derived(1, 2), Single(1)}) == 3
    assert Named(b=2) == Named(a=0, b=2) and repr(Named(b=2)) == "Named(a=0, b=2)"
    one = Alone(1)
    assert one == one and one != Alone(1) and len({one, Alone(1)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Single([]))


def test_checks_run_after_construction() -> None:
    with pytest.raises(ValueError, match="below 0"):
        Derived(1, -1)
    with pytest.raises(ValueError, match="below 0"):
        replace(Derived(1), other=-1)


def test_copies_and_pickles_are_equal() -> None:
    value = Derived((1, "a"), 3)
    assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == copy.deepcopy(value) == value


def test_a_method_of_the_class_is_kept() -> None:
    @immutable
    class Own:
        """With methods of its own."""

        value: int

        def __init__(self) -> None:
            object.__setattr__(self, "value", 5)

        def __repr__(self) -> str:
            return "own"

        def __hash__(self) -> int:
            return 3

        def __eq__(self, other: object) -> bool:
            return True

    assert repr(Own()) == "own" and hash(Own()) == 3 and Own() == 1 and Own().value == 5


def test_a_value_that_holds_itself_is_shown() -> None:
    values: list[Any] = []
    one = Single(values)
    values.append(one)
    assert repr(one) == "Single(value=[...])"


def test_a_class_without_fields_of_its_own_is_as_its_base() -> None:
    @immutable
    class Same(Single):
        """With the field of its base."""

        def twice(self) -> Any:
            return self.value * 2

    @immutable
    class Checked(Single):
        """With the field of its base, and a check."""

        def __post_init__(self) -> None:
            raise ValueError("refused")

    assert Same(2) == Same(2) and Same(2) != Single(2) and repr(Same(value=2)).endswith("Same(value=2)")
    assert Same(2).twice() == 4 and [each.name for each in fields(Same)] == ["value"]
    with pytest.raises(FrozenInstanceError):
        Same(2).value = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="refused"):
        Checked(1)
    assert Single(1).value == 1


def test_the_second_instance_is_made_as_the_first() -> None:
    fresh = sample(immutable)
    first, second = fresh(1, names=["a"]), fresh(1, names=["a"])
    assert first == second and first.names is not second.names
    assert list(inspect.signature(fresh).parameters)[:2] == ["first", "second"]
