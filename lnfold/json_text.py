"""Records as JSON that every parser takes: sorted, without NaN, with names in plain UTF-8."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from lnfold.figures import printable


def json_text(record: Any) -> str:
    """The record as text ending in a line break; NaN and infinities become null."""
    return json.dumps(strict(record), indent=2, sort_keys=True, allow_nan=False) + "\n"


def strict(value: Any) -> Any:
    """Plain JSON values: NaN and infinities become null, text becomes printable."""
    if isinstance(value, dict):
        return {strict(key): strict(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [strict(one) for one in value]
    if isinstance(value, np.generic):
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
