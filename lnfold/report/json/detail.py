"""What the full account adds to the JSON report; names are only ever added."""

from __future__ import annotations

from typing import Any

import numpy as np

from lnfold.relations.detail import Detail, LayerDetail
from lnfold.relations.freedom.independent import Independence
from lnfold.relations.question.copies import CopyDifference
from lnfold.relations.ranges.units import Units
from lnfold.report.json.candidate import candidate

Json = dict[str, Any]
Array = np.ndarray


def network_fields(detail: Detail) -> Json:
    """The fields of a network."""
    return {
        "box": {
            name: {"low": box.low.tolist(), "high": box.high.tolist()}
            for name, box in detail.boxes.items()
        },
        "in_sample": [candidate(one) for one in detail.in_sample],
        "observed_on": detail.seen_on or None,
        "lipschitz": None
        if detail.slope is None
        else {
            "bound": detail.slope.bound,
            "found": detail.slope.found,
            "steepest": None
            if detail.slope.steepest is None
            else {"scope": detail.slope.steepest[0], "factor": detail.slope.steepest[1]},
        },
        "independence": _independence(detail.independence),
    }


def relation_fields(layer: LayerDetail) -> Json:
    """The fields of one relation."""
    return {
        "units": None if layer.units is None else _units(layer.units),
        "detail": {
            "in_sample": [candidate(one) for one in layer.in_sample],
            "sphere": None
            if layer.sphere is None
            else {
                "root": layer.sphere.root.tolist(),
                "matrix": layer.sphere.matrix.tolist(),
                "beta": layer.sphere.beta.tolist(),
                "condition": layer.sphere.condition,
            },
            "frozen": None
            if layer.frozen is None
            else {
                "deviation": layer.frozen.deviation,
                "largest": layer.frozen.largest,
                "bound": layer.frozen.bound,
                "formula_off": layer.frozen.formula_off,
            },
            "far_out": None
            if layer.far is None
            else {
                "times": list(layer.far.times),
                "found": list(layer.far.found),
                "bound": list(layer.far.bound),
            },
            "sensitivity": None
            if layer.sensitivity is None
            else {
                "effects": [
                    {"vector": one.vector, "layer": one.layer, "outputs": one.outputs}
                    for one in layer.sensitivity.effects
                ],
                "constant_left": layer.sensitivity.constant_left,
                "normalised_left": layer.sensitivity.normalised_left,
                "gap": layer.sensitivity.gap,
            },
            "lipschitz": None
            if layer.steepness is None
            else {
                "bound": layer.steepness.bound,
                "found": layer.steepness.found,
                "gamma": layer.steepness.gamma,
                "kernel": layer.steepness.kernel,
                "deviation": layer.steepness.deviation,
            },
            "least_deviation": None
            if layer.least is None
            else {"bound": layer.least.bound, "found": layer.least.found},
            "conditioning": None
            if layer.conditioning is None
            else {
                "worst": layer.conditioning.worst,
                "median": layer.conditioning.median,
                "ill": layer.conditioning.ill,
            },
            "signs": [
                {
                    "sign": one.sign.name.lower(),
                    "sentence": one.sign.sentence,
                    "units": list(one.units),
                }
                for one in layer.signs
            ],
        },
    }


def _units(units: Units) -> list[Json]:
    """One record a unit: bounds of gamma·z + beta, what they prove, what was observed."""
    return [
        {
            "infimum": float(units.infimum[i]),
            "supremum": float(units.supremum[i]),
            "exact_infimum": bool(units.exact_infimum[i]),
            "exact_supremum": bool(units.exact_supremum[i]),
            "verdict": units.verdicts[i].value,
            "proved": bool(units.proved[i]),
            "observed": None
            if units.lowest is None or units.highest is None or units.firing is None
            else {
                "minimum": float(units.lowest[i]),
                "maximum": float(units.highest[i]),
                "firing": float(units.firing[i]),
            },
            "at_infimum": _place(
                units.at_infimum[i], bool(units.attained_infimum[i]), bool(units.exact_infimum[i])
            ),
            "at_supremum": _place(
                units.at_supremum[i],
                bool(units.attained_supremum[i]),
                bool(units.exact_supremum[i]),
            ),
        }
        for i in range(len(units.verdicts))
    ]


def _place(inputs: Array, attained: bool, exact: bool) -> Json | None:
    """Where an exact bound is met: an input of the dense layer, or a direction without end."""
    if not exact or not inputs.size or not np.isfinite(inputs).all():
        return None
    return {"inputs": inputs.tolist(), "attained": attained}


def _independence(one: Independence) -> Json:
    return {
        "parameters": one.parameters,
        "redundant": one.redundant,
        "redundant_exactly": one.redundant_exactly,
        "independent": one.independent,
        "complete": one.complete,
        "symmetries": [
            {
                "scope": freedom.scope,
                "symmetry": freedom.symmetry.name.lower(),
                "sentence": freedom.symmetry.sentence,
                "dimensions": freedom.dimensions,
                "exact": freedom.exact,
            }
            for freedom in one.freedoms
        ],
    }


def copies_field(copies: tuple[CopyDifference, ...]) -> list[Json]:
    """Every copy of a network beside its source."""
    return [
        {
            "copy": one.copy,
            "source": one.source,
            "kind": one.kind,
            "max_abs": one.largest,
            "equal": one.equal,
        }
        for one in copies
    ]
