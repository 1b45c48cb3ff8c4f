"""Data classes that are compiled at first use behave as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any, ClassVar

import pytest

from esp32sock import _dataclass
from esp32sock.at.commands import Raw, tcpip


def classes(decorator: Any) -> tuple[Any, Any, Any]:
    """A base, a class with every kind of field, and one that changes an inherited field."""

    @decorator(frozen=True, slots=True)
    class Base:
        """A base."""

        name: ClassVar[str] = "base"

        def shown(self) -> str:
            return self.name

    @decorator(frozen=True, slots=True)
    class Fields(Base):
        """Fields."""

        name: ClassVar[str] = "fields"
        first: int
        secret: str = dataclasses.field(default="x", repr=False)
        many: list[int] = dataclasses.field(default_factory=list, compare=False)

        def __post_init__(self) -> None:
            if self.first < 0:
                raise ValueError(self.first)

    @decorator(frozen=True, slots=True)
    class Changed(Fields):
        """Another default."""

        secret: str = "y"

        def __repr__(self) -> str:
            return "changed"

    return Base, Fields, Changed


OURS, THEIRS = classes(_dataclass.dataclass), classes(dataclasses.dataclass)


def outcome(job: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return repr(job(*args, **kwargs))
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1,), {}), ((1, "z"), {}), ((-1,), {}), ((1,), {"many": [2]}), ((), {"other": 2})],
)
def test_objects_are_made_and_shown_alike(number: int, args: Any, kwargs: Any) -> None:
    assert outcome(classes(_dataclass.dataclass)[number], *args, **kwargs) == outcome(
        THEIRS[number], *args, **kwargs
    )


@pytest.mark.parametrize(("ours", "theirs"), list(zip(OURS, THEIRS, strict=True)))
def test_the_library_sees_the_same(ours: Any, theirs: Any) -> None:
    assert [field.name for field in dataclasses.fields(ours)] == [
        field.name for field in dataclasses.fields(theirs)
    ]
    assert ours.__slots__ == theirs.__slots__
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__dataclass_params__.frozen
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__subclasses__() == ([] if ours is OURS[2] else [OURS[OURS.index(ours) + 1]])


def test_equality_hash_and_replacing() -> None:
    _, fields, changed = OURS
    assert fields(1, many=[1]) == fields(1, many=[2]) != fields(2)
    assert fields(1) != changed(1, "x")
    assert hash(fields(1)) == hash(fields(1))
    assert dataclasses.replace(fields(1), first=2) == fields(2)
    assert copy.deepcopy(fields(1)) == fields(1)


def test_objects_are_frozen() -> None:
    one = OURS[1](1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'first'"):
        one.first = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'first'"):
        del one.first


def test_commands_travel_and_may_be_derived_from() -> None:
    assert pickle.loads(pickle.dumps(Raw(b"AT"))) == Raw(b"AT")

    @dataclasses.dataclass(frozen=True, slots=True)
    class Own(tcpip.Close):
        extra: int = 5

    assert Own(1).extra == 5
    assert Own(1).link_id == 1
