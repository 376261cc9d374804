"""One vector that was tried in the place of three, as JSON."""

from __future__ import annotations

from typing import Any

from lnfold.relations.question.one_vector import Measured

Json = dict[str, Any]


def candidate(one: Measured) -> Json:
    return {
        "name": one.candidate.value,
        "sentence": one.candidate.sentence,
        "layer_max_abs": one.layer_max_abs,
        "output_max_abs": one.output_max_abs,
        "r2": one.r2,
    }
