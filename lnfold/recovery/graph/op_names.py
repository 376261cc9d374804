"""Sets of names, written as a paragraph instead of a column of quotation marks."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text.

    >>> sorted(words("Add Sub"))
    ['Add', 'Sub']
    """
    return frozenset(text.split())
