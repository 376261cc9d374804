"""A heading and its paragraphs, and how they are set in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 80


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of an explanation; texts are printable, without line breaks."""

    heading: str
    paragraphs: list[str]


def as_text(sections: Iterable[Section], width: int = WIDTH) -> str:
    """The sections as plain text, no line longer than ``width`` unless a word is."""
    blocks = []
    for section in sections:
        heading = textwrap.fill(section.heading, width, break_on_hyphens=False)
        under = "─" * min(max(map(len, heading.splitlines()), default=0), width)
        body = [
            textwrap.fill(paragraph, width, break_long_words=False, break_on_hyphens=False)
            for paragraph in section.paragraphs
            if paragraph
        ]
        blocks.append("\n\n".join([f"{heading}\n{under}", *body]))
    return "\n\n\n".join(blocks) + "\n"
