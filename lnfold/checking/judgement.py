"""A comparison's verdict and what it rests on as plain dicts, lists and numbers, for JSON."""

from __future__ import annotations

from typing import Any

from lnfold.checking.comparison import Comparison, Place
from lnfold.checking.planted import Noticed

Json = dict[str, Any]


def judgement_record(one: Comparison) -> Json:
    """What was compared, on what, the verdict, how many numbers have which, and the worst."""
    return {
        "against": one.against.value,
        "compared": one.title,
        "inputs": one.origin,
        "verdict": one.verdict.value,
        "reason": one.reason or None,
        "numbers": {
            "compared": one.count,
            "agree": one.agreeing,
            "differ": one.differing,
            "cannot_tell": one.untold,
        },
        "worst": None if one.worst is None else place_record(one.worst),
        "would_have_noticed": None if one.noticed is None else _noticed(one.noticed),
        "not_run": list(one.around),
    }


def place_record(place: Place) -> Json:
    """A number: where it is, both values, what rounding does there, and at most."""
    return {
        "output": place.output,
        "row": place.row,
        "unit": place.unit,
        "left": place.left,
        "right": place.right,
        "allowed": place.allowed,
        "proved": place.proved,
        "multiple": place.multiple,
        "judgement": place.mark.name.lower(),
    }


def _noticed(one: Noticed) -> Json:
    return {
        "change": one.change,
        "kernel": one.kernel or None,
        "unseen": list(one.unseen),
        "doubted": one.doubted,
    }
