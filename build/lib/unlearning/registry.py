"""Named, interchangeable things: a dictionary that refuses duplicates and names what it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from unlearning.errors import UnknownName, UsageError
from unlearning.settings import check_settings

T = TypeVar("T")


class Registry(Generic[T]):
    """Frozen dataclasses of one kind by name; lists, tables and contract tests follow from it."""

    def __init__(self, kind: str) -> None:
        """Start an empty registry of `kind`, the word used in its errors."""
        self.kind = kind
        self._entries: dict[str, type[T]] = {}

    def register(self, cls: type[T]) -> type[T]:
        """Enter a class under its `name`; a duplicate raises, since overwriting hides a mistake."""
        name = str(cls.name)  # type: ignore[attr-defined]
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = cls
        return cls

    def __iter__(self) -> Iterator[str]:
        """Give the names, sorted."""
        return iter(sorted(self._entries))

    def __getitem__(self, name: str) -> type[T]:
        """Look a class up; raise UnknownName, which lists what there is."""
        if name not in self._entries:
            raise UnknownName(f"{self.kind} {name!r} is unknown; known are {', '.join(self)}")
        return self._entries[name]

    def create(self, name: str, settings: Mapping[str, Any] | None = None) -> T:
        """Build one with settings; UsageError for one that it does not have or cannot use.

        That is one of another type, out of its range, or that the class refuses.
        """
        cls = self[name]
        given = check_settings(cls, settings or {}, f"{self.kind} {name!r}")
        try:
            return cls(**given)
        except (TypeError, ValueError) as problem:
            raise UsageError(f"{self.kind} {name!r}: {problem}") from problem


def decorator(registry: Registry[Any]) -> Callable[[type[T]], type[T]]:
    """Give the decorator that enters a class and leaves it as it is."""
    return registry.register
