"""Numbers and names as a reader wants to see them: a few digits, nothing that can do harm."""

from __future__ import annotations

import math
import struct


def figure(value: float | None, digits: int = 2) -> str:
    """A number with a few significant digits, plainly where it can be: 650, 0.021, 3e-07.

    >>> [figure(one) for one in (651.3, 0.0214, 3.01e-7, 0.0, None)]
    ['650', '0.021', '3e-07', '0', 'n/a']
    """
    if value is None or math.isnan(value):
        return "n/a"
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    if 1e-3 <= abs(rounded) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        return f"{rounded:.{decimals}f}"
    return f"{rounded:.{digits}g}"


def shortest(value: float) -> str:
    """A number as the shortest decimal that float32 keeps apart from its neighbours.

    A graph stores 1e-12 as the float32 nearest to it, 9.999999960041972e-13.

    >>> shortest(9.999999960041972e-13)
    '1e-12'
    """
    stored = struct.pack("f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == stored:
            return text
    return repr(value)


def printable(text: str) -> str:
    """Text from a file, with whatever could steer a terminal or break a line escaped.

    >>> printable("dense\\x1b[2J/kernel")
    'dense\\\\x1b[2J/kernel'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def printable_lines(text: str) -> str:
    """The same for text that may have several lines."""
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join(map(printable, text.split("\n")))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
