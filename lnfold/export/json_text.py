"""Records as JSON that every parser takes: sorted, without NaN, with names in plain UTF-8."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(record: Any) -> str:
    """The record as text ending in a line break; NaN and infinities become null."""
    return json.dumps(_strict(record), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        # names are untrusted bytes: what is no UTF-8 is escaped instead of breaking the file
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_strict(key): _strict(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(one) for one in value]
    return value
