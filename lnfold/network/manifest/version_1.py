"""Networks as manifests of version 1 hold them: values were rows, and inputs had a width."""

from __future__ import annotations

from typing import Any


def upgraded(network: Any) -> Any:
    """The record of a network in today's words; what has them already, or is damaged, stays."""
    if not isinstance(network, dict):
        return network
    inputs, layers = network.get("inputs"), network.get("layers")
    return {
        **network,
        "inputs": [_input(one) for one in inputs] if isinstance(inputs, list) else inputs,
        "layers": [_layer(one) for one in layers] if isinstance(layers, list) else layers,
    }


def _input(one: Any) -> Any:
    if not isinstance(one, dict) or "width" not in one or "shape" in one:
        return one
    rest = {name: value for name, value in one.items() if name != "width"}
    return {**rest, "shape": [None, one["width"] or None]}


def _layer(one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    if one.get("kind") == "lstm" and "stateful" not in one:
        # rows were calls where the length was open: one sequence of all of them
        return {**one, "stateful": one.get("steps") is None}
    taken, units = one.get("shape"), one.get("units")
    if one.get("kind") == "rearrange" and isinstance(taken, list) and isinstance(units, int):
        rest = {name: value for name, value in one.items() if name not in ("shape", "units")}
        size = 1
        for length in taken:
            size *= length if isinstance(length, int) else 0
        given = [units] if size == units or units < 1 else [size // units, units]
        return {**rest, "taken": taken, "given": given}
    return one
