"""Modules that are loaded when they are first used, or not at all, because most workers never need them."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType


def module(name: str) -> ModuleType:
    """The module `name`, loaded with its first attribute. Not for use from several threads. Raises `ImportError`."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module {name}")
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    loader.exec_module(made)
    return made


@contextlib.contextmanager
def absent(*names: str) -> Iterator[None]:
    """What is imported meanwhile finds no modules of these names, as if they were not installed.

    For optional helpers of libraries. Those that are loaded already stay. Not for use from several threads.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stands for a module that is not there
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def hollow(package: str, *names: str) -> Iterator[None]:
    """`package`, imported meanwhile, gets nothing out of its modules `names`, which it would hand on.

    For parts of a library that its package always imports and that are never used here. Names of theirs are missing in
    the package afterwards; the modules themselves can still be imported. Nothing happens where the package is loaded
    already. Not for use from several threads.
    """
    if package in sys.modules:
        yield
        return
    stand_ins = {f"{package}.{name}": _Hollow(f"{package}.{name}") for name in names}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
        made = vars(sys.modules.get(package, ModuleType(package)))
        for name in [name for name, value in made.items() if value is _Nothing or isinstance(value, _Hollow)]:
            del made[name]


class _Nothing:
    """What stands for every name of a hollow module."""


class _Hollow(ModuleType):
    """A module that has every name that is asked for."""

    def __getattr__(self, name: str) -> type[_Nothing]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing
