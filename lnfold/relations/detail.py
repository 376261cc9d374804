"""All that can be said of a network beyond the short report: one record a layer, one in all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import BatchNorm, LayerNorm, Network, RMSNorm
from lnfold.network.records.pairs import Context, Pair
from lnfold.relations.freedom.diagnostics import Seen, signs
from lnfold.relations.freedom.independent import Independence, independence
from lnfold.relations.question.frozen import FrozenError, frozen_error
from lnfold.relations.question.one_vector import Measured, measure_layer, measure_network
from lnfold.relations.question.relate import Relation
from lnfold.relations.question.sphere import SphereForm, sphere_form
from lnfold.relations.ranges.asymptotics import FarOut, far_out
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.corners import Watch
from lnfold.relations.ranges.homogeneous import Lifted, lift
from lnfold.relations.ranges.inside import Inside, inside
from lnfold.relations.ranges.interval_bounds import reaches
from lnfold.relations.ranges.min_std import LeastDeviation, least_deviation
from lnfold.relations.ranges.observed import held_least
from lnfold.relations.ranges.reach import Reach
from lnfold.relations.ranges.units import Units, describe_units
from lnfold.relations.sensitivity.conditioning import Conditioning, conditioning
from lnfold.relations.sensitivity.lipschitz import Steepness, steepness
from lnfold.relations.sensitivity.network_lipschitz import NetworkSlope, network_slope
from lnfold.relations.sensitivity.observed import held_slope, held_steepness
from lnfold.relations.sensitivity.sensitivity import Sensitivity, output_gradients, sensitivities

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class LayerDetail:
    """The full account of one pair, beside its ``Relation``.

    Attributes:
        units: what each unit can deliver; None where a layer before it is not known.
        sphere: the exact one-bias form; None unless the norm reads a dense layer, computes its
            statistics from it, and the sphere has fewer dimensions than the layer has units.
        in_sample: the candidates on the rows that they were fitted on.
        frozen: what a constant deviation does; as sphere, and where the network was run.
        far: how fast the layer forgets its bias; None unless the inputs can be as long as they
            like, and the network was run.
        sensitivity, conditioning: None where the network was not run.
        held: the box that the network itself, by a clip, keeps free inputs of the layer in; None
            where it does not.
        least: the least s(x) that what reaches the layer can bring about, and
        steepness: how fast the layer changes with it; None for BatchNorm, where no dense layer
            is read, and where a layer before it is not known.
        signs: trained or not.
    """

    units: Units | None
    sphere: SphereForm | None
    in_sample: tuple[Measured, ...]
    frozen: FrozenError | None
    far: FarOut | None
    sensitivity: Sensitivity | None
    held: Box | None
    least: LeastDeviation | None
    steepness: Steepness | None
    conditioning: Conditioning | None
    signs: tuple[Seen, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """The full account of one network.

    Attributes:
        layers: one for each relation, in order.
        in_sample: the candidates in every layer at once, on the rows that they were fitted on.
        independence: how many numbers are independent.
        boxes: what was assumed of the inputs, by name; unbounded where nothing was.
        seen_on: the inputs of the box that units were seen on, in words; empty where the
            network was not run.
        slope: how fast the outputs can change; None where a layer is not known.
    """

    layers: tuple[LayerDetail, ...]
    in_sample: tuple[Measured, ...]
    independence: Independence
    boxes: Mapping[str, Box]
    seen_on: str
    slope: NetworkSlope | None


def detail(
    network: Network,
    relations: tuple[Relation, ...],
    values: Mapping[str, Array] | None,
    boxes: Mapping[str, Box] | None = None,
    watch: Watch | None = None,
) -> Detail:
    """Every analysis of a network's pairs.

    Args:
        values: float64 values of all layers on the inputs used, or None.
        boxes: a box for inputs by name; an input without one is taken to be anything.
        watch: told how far a long search of a box's corners is.
    """
    boxes = boxes or {}
    pairs = tuple(relation.pair for relation in relations)
    reached = reaches(network, boxes, watch) if network.complete else None
    seen = None if values is None else inside(network, boxes, values)
    moved = None if seen is None else output_gradients(network, seen.values)
    effects = {} if moved is None else sensitivities(pairs, moved)
    layers, units = [], {}
    for relation in relations:
        effect = effects.get(relation.pair.norm.name)
        one = _layer(network, relation, values, reached, effect, seen)
        layers.append(one)
        if one.units is not None:
            units[relation.pair.norm.name] = one.units
    slope = None
    if reached is not None:
        steep = {
            relation.pair.norm.name: one.steepness
            for relation, one in zip(relations, layers, strict=True)
            if one.steepness is not None
        }
        rows = None if moved is None else moved.rows
        slope = network_slope(network, reached, steep, rows)
        slope = None if slope is None else held_slope(slope)
    fitted: tuple[Measured, ...] = ()
    if values is not None and any(one.in_sample for one in layers):
        by_pair = {
            relation.pair.norm.name: one.in_sample
            for relation, one in zip(relations, layers, strict=True)
        }
        fitted = measure_network(network, pairs, by_pair, values, in_sample=True)
    return Detail(
        tuple(layers),
        fitted,
        independence(network, units),
        boxes,
        "" if seen is None else seen.inputs,
        slope,
    )


def _layer(
    network: Network,
    relation: Relation,
    values: Mapping[str, Array] | None,
    reached: Mapping[str, Reach] | None,
    effect: Sensitivity | None,
    seen: Inside | None,
) -> LayerDetail:
    pair = relation.pair
    lifted = _lifted(pair)
    dense = pair.dense
    x = None if seen is None or dense is None else np.asarray(seen.values[dense.input], np.float64)
    read = None if values is None else values[pair.norm.input]
    frozen, far, held, least, steep = None, None, None, None, None
    if lifted is not None and dense is not None and reached is not None:
        bounds = reached[pair.norm.name].normalised
        if x is not None and bounds is not None:
            frozen = frozen_error(lifted, x, np.maximum(-bounds[0].values, bounds[1].values))
        reach = reached[dense.input]
        if x is not None and reach.free and reach.box.everything:
            far = far_out(lifted, x)
        held = reach.box if reach.free and not reach.box.everything else None
        least = least_deviation(lifted, reach.box)
        if x is not None:
            least = held_least(least, lifted.deviations(x))
        steep = held_steepness(steepness(lifted, least.bound, x))
    return LayerDetail(
        units=None
        if reached is None
        else describe_units(network, pair, reached, None if seen is None else seen.values),
        sphere=sphere_form(lifted) if lifted and lifted.inputs + 1 < lifted.units else None,
        in_sample=() if values is None else measure_layer(pair, values, in_sample=True),
        frozen=frozen,
        far=far,
        sensitivity=effect,
        held=held,
        least=least,
        steepness=steep,
        conditioning=None
        if read is None or isinstance(pair.norm, BatchNorm)
        else conditioning(pair.norm, read),
        signs=signs(pair, read),
    )


def _lifted(pair: Pair) -> Lifted | None:
    computes = isinstance(pair.norm, LayerNorm | RMSNorm)
    if not computes or pair.dense is None or pair.context is not Context.DENSE:
        return None
    lifted = lift(pair.dense, pair.norm)
    return lifted if lifted.finite else None
