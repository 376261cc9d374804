"""Pieces of HTML: escaped text, tables that a screen reader can read, figures with alternatives."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lnfold.text.number_format import figure, printable


class Markup(str):
    """Text that is HTML already; everything else is escaped."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any text as HTML: markup as it is, everything else printable and escaped."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(printable(str(value))))


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """An element; a trailing underscore in an attribute's name is dropped, others become ``-``.

    >>> tag("p", "a < b", class_="muted")
    '<p class="muted">a &lt; b</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(text(one) for one in inside)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """Several pieces, one a line."""
    return Markup("\n".join(text(one) for one in parts))


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is shown with a few digits and sorted by its value."""

    value: float | int | None
    digits: int = 2

    @property
    def shown(self) -> str:
        if isinstance(self.value, int):
            return f"{self.value:,}"
        return figure(self.value, self.digits)


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    name: str | None = None,
    sortable: bool = False,
) -> Markup:
    """A table with a caption; the first cell of a row is its header."""
    listed = [list(row) for row in rows]
    numeric = [
        bool(listed) and all(isinstance(row[i], Number) for row in listed)
        for i in range(len(heads))
    ]
    head = tag(
        "tr",
        *(
            tag("th", one, scope="col", class_="number" if is_number else None)
            for one, is_number in zip(heads, numeric, strict=True)
        ),
    )
    body = [tag("tr", *(_cell(one, first=not i) for i, one in enumerate(row))) for row in listed]
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", head),
        tag("tbody", joined(body)),
        id=name,
        data_sortable="" if sortable else None,
    )
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(value: object, *, first: bool) -> Markup:
    name = "th" if first else "td"
    scope = "row" if first else None
    if isinstance(value, Number):
        exact = "" if value.value is None else repr(float(value.value))
        return tag(name, value.shown, class_="number", data_value=exact, scope=scope)
    return tag(name, value, scope=scope)


def picture(svg: Markup, alternative: str, caption: str, *, wide: bool = False) -> Markup:
    """A figure; ``alternative`` says in words what the picture shows."""
    drawing = tag("div", _labelled(svg, alternative), class_="scroll")
    return tag("figure", drawing, tag("figcaption", caption), class_="wide" if wide else None)


def pictures(panels: Iterable[tuple[Markup, str]], caption: str) -> Markup:
    """One figure of several pictures, each with its alternative, that a narrow page stacks."""
    drawn = joined(_labelled(svg, alternative) for svg, alternative in panels)
    return tag(
        "figure", tag("div", drawn, class_="panels"), tag("figcaption", caption), class_="wide"
    )


def _labelled(svg: Markup, alternative: str) -> Markup:
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{text(alternative)}" ', 1))


def breaking(name: str) -> Markup:
    """A name that may be broken after each slash of its path, and nowhere else if that helps."""
    return Markup("/<wbr>".join(text(part) for part in name.split("/")))
