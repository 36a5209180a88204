"""Which rows of a large table of checks the default suite takes: computed, the same everywhere, complete in columns."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest


def diagonal(rows: int, columns: int) -> set[tuple[int, int]]:
    """The fewest cells of a table that leave no row and no column empty, spread evenly.

    >>> sorted(diagonal(2, 3))
    [(0, 0), (0, 2), (1, 1)]
    """
    least = min(rows, columns)
    return {(row, column) for row in range(rows) for column in range(columns) if (row - column) % least == 0}


def chosen(table: dict[Hashable, tuple[Callable, ...]], essential: Iterable[str] = ()) -> set[tuple[Hashable, str]]:
    """Of a table of what each kind has to pass, what covers every kind and every check of every group of kinds.

    A group is the kinds that have to pass the same checks. What is essential every kind passes besides.

    >>> def law(): ...
    >>> def bits(): ...
    >>> sorted(chosen({"a": (law, bits), "b": (law, bits)}, ["law"]))
    [('a', 'law'), ('b', 'bits'), ('b', 'law')]
    """
    groups: dict[Any, list[Hashable]] = {}
    for kind, checks in table.items():
        groups.setdefault(checks, []).append(kind)
    spread = {
        (kinds[row], checks[column].__name__)
        for checks, kinds in groups.items() for row, column in diagonal(len(kinds), len(checks))
    }  # fmt: skip
    needed = set(essential)
    return spread | {(kind, c.__name__) for kind, checks in table.items() for c in checks if c.__name__ in needed}


def slow(*values: Any) -> Any:
    """Values of parameters that only the whole suite takes.

    >>> slow(1, 2).values
    (1, 2)
    """
    return pytest.param(*values, marks=pytest.mark.slow)
