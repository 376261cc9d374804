"""Networks as JSON: structure and facts in full, arrays by reference.

``to_json`` and ``from_json`` are each other's inverse as far as structure goes: an array is
named by its checkpoint variables, and read again through them. Arrays that are no plain
variable (a constant of the graph, a deviation computed from sums) are written out, since they
are small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records import layers as records
from lnfold.network.records.claims import Claim
from lnfold.network.records.layers import Gap, Input, Layer, Network, Parameter

Json = dict[str, Any]

_KINDS: Final[dict[str, type[Layer]]] = {
    kind.kind: kind
    for kind in vars(records).values()
    if isinstance(kind, type) and issubclass(kind, Layer) and "kind" in vars(kind)
}
_LARGEST_WRITTEN: Final = 4096  # numbers of an array that is no plain variable


def to_json(network: Network) -> Json:
    """The network as plain dicts, lists, texts and numbers; no NaN, no infinity."""
    return {
        "name": network.name,
        "inputs": [
            {"name": one.name, "width": one.width, "where": one.where} for one in network.inputs
        ],
        "outputs": list(network.outputs),
        "layers": [_layer(layer) for layer in network.layers],
        "wiring": _fact(network.wiring),
        "gaps": [{"what": gap.what, "remedy": gap.remedy} for gap in network.gaps],
        "precision": network.precision,
        "claims": [
            {
                "what": one.what,
                "layer": one.layer,
                "fact": _fact(one.fact),
                "option": one.option,
            }
            for one in network.claims
        ],
    }


def from_json(found: Mapping[str, Any], read: Callable[[str], np.ndarray]) -> Network:
    """The network that ``to_json`` wrote.

    Args:
        read: from the name of a checkpoint variable to its array.

    Raises:
        GraphError: it is not what ``to_json`` writes.
    """
    try:
        return Network(
            name=found["name"],
            inputs=tuple(
                Input(one["name"], (None, one["width"] or None), one["where"])
                for one in found["inputs"]
            ),
            outputs=tuple(found["outputs"]),
            layers=tuple(_layer_from(one, read) for one in found["layers"]),
            wiring=_fact_from(found["wiring"]),
            gaps=tuple(Gap(one["what"], one["remedy"]) for one in found["gaps"]),
            precision=found["precision"],
            claims=tuple(
                Claim(one["what"], one["layer"], _fact_from(one["fact"]), one["option"])
                for one in found["claims"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GraphError(f"this is no network that lnfold wrote ({error!r})") from error


def _layer(layer: Layer) -> Json:
    written: Json = {"kind": layer.kind}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, Parameter):
            value = _parameter(value)
        elif isinstance(value, Fact):
            value = _fact(value)
        elif isinstance(value, tuple):
            value = list(value)
        written[field.name] = value
    return written


def _layer_from(found: Mapping[str, Any], read: Callable[[str], np.ndarray]) -> Layer:
    kind = _KINDS[found["kind"]]
    arguments: Json = {}
    for field in fields(kind):
        value = found[field.name]
        if isinstance(value, Mapping) and "source" in value:
            value = _fact_from(value)
        elif isinstance(value, Mapping):
            value = _parameter_from(value, read)
        elif isinstance(value, list):
            value = tuple(value)
        arguments[field.name] = value
    return kind(**arguments)


def _fact(fact: Fact[Any]) -> Json:
    return {
        "value": fact.value,
        "source": fact.source.value,
        "where": fact.where,
        "confidence": fact.confidence,
    }


def _fact_from(found: Mapping[str, Any]) -> Fact[Any]:
    return Fact(found["value"], Source(found["source"]), found["where"], found["confidence"])


def _parameter(parameter: Parameter) -> Json:
    """Its variables, how they are laid out, and the numbers where they are none of theirs."""
    written: Json = {
        "variables": list(parameter.variables),
        "where": parameter.where,
        "shape": list(parameter.shape),
        "dtype": parameter.array.dtype.name,
        "transposed": not parameter.array.flags.c_contiguous and parameter.array.ndim == 2,
        "values": None,
    }
    if len(parameter.variables) != 1 and parameter.array.size <= _LARGEST_WRITTEN:
        flat = parameter.array.ravel().tolist()
        written["values"] = [one if np.isfinite(one) else repr(one) for one in flat]
    return written


def _parameter_from(found: Mapping[str, Any], read: Callable[[str], np.ndarray]) -> Parameter:
    shape = tuple(found["shape"])
    if found["values"] is not None:
        array = np.array([float(one) for one in found["values"]], found["dtype"]).reshape(shape)
    else:
        if len(found["variables"]) != 1:
            raise ValueError("an array that was too large to write out")
        array = read(found["variables"][0])
        if array.size != np.prod(shape, dtype=int):
            raise ValueError(f"variable {found['variables'][0]} has another size")
        turned = found["transposed"]
        array = array.reshape(shape[::-1]).T if turned else array.reshape(shape)
        array = array.astype(found["dtype"], copy=False)
    return Parameter(array, tuple(found["variables"]), found["where"])
