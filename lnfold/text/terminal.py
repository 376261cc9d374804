"""Text for a terminal that escapes whatever it is made of: names keep to their line."""

from __future__ import annotations

from typing import Any

from rich import text as rich_text

from lnfold.text.number_format import printable

BARS = " ▁▂▃▄▅▆▇█"


class Text(rich_text.Text):
    """rich's text, of one line, in which every character can be seen."""

    def __init__(self, text: str = "", style: Any = "", **options: Any) -> None:
        super().__init__(printable(text), style, **options)

    def append(self, text: rich_text.Text | str, style: Any = None) -> Text:
        """Adds printable text, or another text with its styles."""
        super().append(printable(text) if isinstance(text, str) else text, style)
        return self
