"""Records as JSON that every parser takes: sorted, without NaN, with names in plain UTF-8."""

from __future__ import annotations

import json
import math
from typing import Any

from lnfold.text.number_format import printable

_INDENTED = json.JSONEncoder(indent=2, sort_keys=True, allow_nan=False)
_ON_ONE_LINE = json.JSONEncoder(sort_keys=True, allow_nan=False)


def json_text(record: Any) -> str:
    """The record as text ending in a line break; NaN and infinities become null."""
    return _visible(_INDENTED.encode(strict(record))) + "\n"


def one_line(record: Any) -> str:
    """The same on one line, without the line break at its end."""
    return _visible(_ON_ONE_LINE.encode(strict(record)))


def _visible(text: str) -> str:
    # the one control character that JSON lets pass
    return text.replace("\x7f", "\\u007f")


def strict(value: Any) -> Any:
    """Plain JSON values: NaN and infinities become null, text becomes printable."""
    if isinstance(value, dict):
        return {strict(key): strict(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [strict(one) for one in value]
    if type(value).__module__ == "numpy":
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _utf8(value) if isinstance(value, str) else value


def _utf8(text: str) -> str:
    """Bytes of a name that were no UTF-8 are shown escaped; JSON cannot hold them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return printable(text)
    return text
