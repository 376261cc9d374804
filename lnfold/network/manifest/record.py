"""Networks ↔ a JSON manifest and arrays: everything that a network is, and where it came from.

Every layer is an object of its kind's name and its fields. A parameter is the name of an array
and the variables it came from; a fact keeps its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np

from lnfold.network.facts.evidence import Fact
from lnfold.network.records import layers as records
from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import Array, Layer, Network, Parameter

Json = dict[str, Any]
_USERS_TYPE: Final = 2  # how NumPy marks a type that is not its own

KINDS: Mapping[str, type[Layer]] = {
    kind.kind: kind
    for kind in (*vars(records).values(), Carried, Deviation, Divided, TriangleDeviation)
    if isinstance(kind, type) and issubclass(kind, Layer) and "kind" in vars(kind)
}


def network_record(network: Network, prefix: str, arrays: dict[str, Array]) -> Json:
    """A network as JSON; its parameters' values are added to ``arrays``.

    Args:
        prefix: what the names of its arrays begin with. They are made of numbers and roles
            only: names of variables are untrusted, and an archive's members become files.
    """
    return {
        "name": network.name,
        "inputs": [
            {"name": one.name, "shape": list(one.shape), "dtype": one.dtype}
            for one in network.inputs
        ],
        "outputs": list(network.outputs),
        "wiring": _fact(network.wiring),
        "precision": network.precision,
        "assumed": [str(one) for one in network.assumed],
        "claims": [
            {
                "what": one.what,
                "layer": one.layer,
                "fact": _fact(one.fact),
                "option": one.option,
            }
            for one in network.claims
        ],
        "gaps": [{"what": gap.what, "remedy": gap.remedy} for gap in network.gaps],
        "layers": [
            _layer_record(layer, f"{prefix}layer{number}/", arrays)
            for number, layer in enumerate(network.layers)
        ],
    }


def _layer_record(layer: Layer, prefix: str, arrays: dict[str, Array]) -> Json:
    record: Json = {"kind": layer.kind}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, Parameter):
            name = prefix + field.name
            arrays[name] = _plain(value.array)
            value = {
                "array": name,
                "dtype": value.array.dtype.name,
                "variables": list(value.variables),
                "where": value.where,
            }
        elif isinstance(value, Fact):
            value = _fact(value)
        elif isinstance(value, tuple):
            value = list(value)
        record[field.name] = value
    return record


def _plain(array: Array) -> Array:
    """The numbers in a type that NumPy itself knows: bfloat16 and float8 as float32.

    That holds each of theirs, so that they are read back exactly, and whoever has nothing but
    NumPy can compute with them as they come.
    """
    return array.astype(np.float32) if array.dtype.isbuiltin == _USERS_TYPE else array


def _fact(fact: Fact[Any]) -> Json:
    return {
        "value": fact.value,
        "source": fact.source.value,
        "where": fact.where,
        "confidence": fact.confidence,
    }
