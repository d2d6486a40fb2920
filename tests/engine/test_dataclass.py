"""The engine's dataclass behaves like the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from simulators.engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A place."""

    x: int
    y: int = 0
    names: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @property
    def sum(self) -> int:
        return self.x + self.y

    @classmethod
    def origin(cls) -> Point:
        return cls(0)


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """A place."""

    x: int
    y: int = 0
    names: tuple[str, ...] = dataclasses.field(default=(), repr=False)


def test_it_is_made_shown_and_compared_like_the_standard_one() -> None:
    """Arguments, defaults, text, equality, hash and fields are the standard library's."""
    assert repr(Point(1, y=2)) == repr(Plain(1, y=2)).replace("Plain", "Point")
    assert Point(1, 2) == Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Plain(1, 2)
    assert hash(Point(1, 2)) == hash(Plain(1, 2))
    assert dataclasses.asdict(Point(1)) == dataclasses.asdict(Plain(1))
    assert Point.__doc__ == Plain.__doc__
    assert (Point.origin().sum, Point.origin().names) == (0, ())
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]


def test_it_cannot_be_changed() -> None:
    """Neither a field nor anything else can be written or deleted."""
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.z = 2  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert not hasattr(point, "__dict__")
    assert point == Point(1)


def test_it_is_replaced_copied_pickled_and_matched() -> None:
    """Changed copies, copies, pickles and patterns work."""
    point = Point(1, 2, ("home",))
    assert dataclasses.replace(point, y=3) == Point(1, 3, ("home",))
    assert copy.deepcopy(point) == copy.copy(point) == pickle.loads(pickle.dumps(point)) == point
    match point:
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_without_equality_it_is_itself_only() -> None:
    """With ``eq=False`` equal fields do not make equal values."""
    assert Key("a") != Key("a")
    assert len({Key("a"), Key("a")}) == 2


def test_it_is_for_frozen_slotted_classes_only() -> None:
    """Anything else is refused when the class is made."""
    with pytest.raises(TypeError, match="standard library"):
        dataclass(frozen=False, slots=True)
