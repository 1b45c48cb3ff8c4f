"""`dataclass(frozen=True, slots=True)` for files with many classes: compiled at first use.

The decorator of the standard library compiles six methods a class, half a millisecond and more. The AT
language has some two hundred classes, of which one program uses a few; compiling all of them took longer than
importing trio. Here a class gets its slots and methods that need no compiling; `__init__` and what
`dataclasses.fields`, `replace` and `is_dataclass` look for are made by the standard library when the first
object is made, or when they are first asked for. The file of the class needs `from __future__ import
annotations`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen, slots):
        if not (frozen and slots):
            raise TypeError("a data class that is compiled at first use is frozen and has slots")
        return _with_slots


def _with_slots(cls: Any) -> Any:
    names = _METHODS | {name: value for name, value in vars(cls).items() if name not in _OF_THE_OBJECT}
    annotations = vars(cls).get("__annotations__", {})
    own = [name for name, kind in annotations.items() if not kind.startswith("ClassVar")]
    defaults = {name: names.pop(name) for name in own if name in names}
    inherited = {name for base in cls.__mro__[1:] for name in vars(base).get("__slots__", ())}
    names["__slots__"] = tuple(name for name in own if name not in inherited)

    def complete() -> None:
        _complete(made, own, defaults, complete_and_init)

    def complete_and_init(self: Any, *args: Any, **kwargs: Any) -> None:
        complete()
        made.__init__(self, *args, **kwargs)

    names["__qualname__"] = cls.__qualname__
    names.setdefault("__init__", complete_and_init)
    for late in _LATE:
        names[late] = _Late(late, complete)
    made = type(cls)(cls.__name__, cls.__bases__, names)
    return made


class _Late:
    """What `dataclasses` keeps in a class, in its place until it is asked for."""

    def __init__(self, name: str, complete: Callable[[], None]) -> None:
        self._name = name
        self._complete = complete

    def __get__(self, instance: object, cls: type) -> Any:
        self._complete()
        return getattr(cls, self._name)


def _complete(cls: Any, own: list[str], defaults: dict[str, Any], placeholder: object) -> None:
    """Let the standard library make what is missing, on a class that has the same fields and no bases."""
    annotations: dict[str, Any] = {}
    names: dict[str, Any] = {}
    for base in filter(dataclasses.is_dataclass, reversed(cls.__mro__[1:])):
        for field in dataclasses.fields(base):
            annotations[field.name], names[field.name] = field.type, _copied(field)
    for name in own:
        annotations[name] = vars(cls)["__annotations__"][name]
        names.pop(name, None)
    names |= defaults | {name: getattr(cls, name) for name in _KEPT if hasattr(cls, name)}
    twin_type = type(cls.__name__, (), names | {"__annotations__": annotations})
    twin: Any = dataclasses.dataclass(frozen=True, repr=False, eq=False)(twin_type)
    if vars(cls)["__init__"] is placeholder:
        cls.__init__ = vars(twin)["__init__"]
    for name in _LATE:
        setattr(cls, name, vars(twin)[name])


def _copied(field: Any) -> Any:
    return dataclasses.field(
        default=field.default,
        default_factory=field.default_factory,
        init=field.init,
        repr=field.repr,
        compare=field.compare,
        kw_only=bool(field.kw_only),
    )


def _compared(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, field.name) for field in dataclasses.fields(self) if field.compare)


def _eq(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _repr(self: Any) -> str:
    shown = [field.name for field in dataclasses.fields(self) if field.repr]
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _refuse_setting(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_METHODS = {
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse_setting,
    "__delattr__": _refuse_deleting,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
_LATE = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
_KEPT = ("__module__", "__qualname__", "__doc__", "__post_init__")
_OF_THE_OBJECT = ("__dict__", "__weakref__")
