"""One unit in plain words: when it fires, what it can deliver, which input brings it there."""

from __future__ import annotations

import numpy as np

from lnfold.errors import UnknownNameError
from lnfold.network.records.layers import BatchNorm
from lnfold.relations.detail import LayerDetail
from lnfold.relations.question.relate import Relation
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.ranges.units import Units
from lnfold.report.account.record import NetworkReport
from lnfold.report.words.section import Section
from lnfold.text.number_format import figure, printable

_SHOWN = 8  # numbers of an input that are printed


def unit_section(one: NetworkReport, relation: Relation, layer: LayerDetail, unit: int) -> Section:
    """The account of one unit, counted from 0.

    Raises:
        UnknownNameError: the layer has fewer units, or its units are not known.
    """
    name = printable(relation.pair.scope)
    units = layer.units
    total = 0 if units is None else len(units.verdicts)
    if units is None or not 0 <= unit < total:
        raise UnknownNameError(
            f"{name} has no unit {unit}",
            remedy=f"They are counted from 0 to {total - 1}."
            if total
            else "The network lacks a fact that an option would settle.",
        )
    paragraphs = [_formula(relation, total, unit), _range(units, unit), _verdict(units, unit)]
    paragraphs += [
        text
        for text in (
            _place("least", units.at_infimum, units.attained_infimum, units.exact_infimum, unit),
            _place("most", units.at_supremum, units.attained_supremum, units.exact_supremum, unit),
        )
        if text
    ]
    if units.firing is not None and units.lowest is not None and units.highest is not None:
        assert one.detail is not None
        paragraphs.append(
            f"On {one.detail.seen_on} it went from {figure(units.lowest[unit], 3)} to "
            f"{figure(units.highest[unit], 3)} and was above 0 on {units.firing[unit]:.1%} of them."
        )
    return Section(f"{name}, unit {unit} of {total}", paragraphs)


def _formula(relation: Relation, total: int, unit: int) -> str:
    norm, dense = relation.pair.norm, relation.pair.dense
    gamma = float(vector(norm.gamma, total, 1.0)[unit])
    beta = float(vector(norm.beta, total, 0.0)[unit])
    text = f"gamma is {figure(gamma, 3)}, beta {figure(beta, 3)}"
    if dense is not None and dense.bias is not None:
        text += f", the bias {figure(float(vector(dense.bias, total, 0.0)[unit]), 3)}"
    if isinstance(norm, BatchNorm):
        return text + ". Mean and variance are stored, so the unit is an affine function."
    return (
        f"{text}. It is positive where {figure(gamma, 3)}·(y − mean of the units) + "
        f"s(x)·{figure(beta, 3)} > 0, y being the dense layer's unit."
    )


def _range(units: Units, unit: int) -> str:
    low, high = float(units.infimum[unit]), float(units.supremum[unit])
    exact = bool(units.exact_infimum[unit] and units.exact_supremum[unit])
    kind = "exactly" if exact else "at the very widest (sound, not tight)"
    return f"It can go from {figure(low, 3)} to {figure(high, 3)}, {kind}."


def _verdict(units: Units, unit: int) -> str:
    sure = "Proved" if units.proved[unit] else "Neither proved nor seen otherwise"
    return f"{sure}: {units.verdicts[unit].sentence}."


def _place(
    side: str, inputs: np.ndarray, attained: np.ndarray, exact: np.ndarray, unit: int
) -> str:
    place = inputs[unit]
    if not exact[unit] or not place.size or not np.isfinite(place).all():
        return ""
    listed = ", ".join(figure(float(one), 3) for one in place[:_SHOWN])
    listed += ", …" if place.size > _SHOWN else ""
    if attained[unit]:
        return f"The {side} is delivered for the dense layer's input ({listed})."
    return f"The {side} is approached for ever longer inputs in the direction ({listed})."
