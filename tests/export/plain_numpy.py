"""Runs a network of an ``.npz`` that lnfold wrote with nothing but NumPy and JSON.

It knows of the format what `lnfold schema manifest` says of it: the formulas are the schema's
own. Usage: ``python plain_numpy.py SCHEMA ARCHIVE INPUTS OUTPUTS``, the last two ``.npz``.
"""

import json
import math
import re
import sys

import numpy as np

ABSENT = {"gamma": 1, "scale": 1, "low": -math.inf, "high": math.inf}
ALPHA = {"leaky_relu": 0.2}


def field(name, value, archive):
    """A field of a layer as what stands for it in a formula."""
    if value is None:
        return ABSENT.get(name, 0)
    if isinstance(value, dict) and "array" in value:
        array = archive[value["array"]].astype(np.float64)
        return array if name in ("kernel", "triangle") else array.reshape(-1)
    return value["value"] if isinstance(value, dict) else value


def run(network, inputs, archive, kinds):
    """The outputs of a network, by name."""
    values = dict(inputs)
    for layer in network["layers"]:
        read = [values[name] for name in layer["inputs"]]
        names = {name: field(name, value, archive) for name, value in layer.items()}
        names |= {"values": read, "x": read[0], "s": read[1] if len(read) > 1 else 1}
        formulas = dict(re.findall(r"(\w+: )?`([^`]+)`", kinds[layer["kind"]]["description"]))
        formula = formulas.get("") or formulas[f"{names['function']}: "]
        if "function" in names and not names["alpha"]:
            names["alpha"] = ALPHA.get(names["function"], 1)
        if names.get("order", 0) == 0:
            names["order"] = None
        values[layer["name"]] = eval(formula, {"np": np, "math": math, **names})
    return {name: values[name] for name in network["outputs"]}


if __name__ == "__main__":
    schema, path, given, output = sys.argv[1:]
    with open(schema, encoding="utf-8") as file:
        kinds = json.load(file)["$defs"]
    archive = np.load(path)
    manifest = json.loads(archive["manifest"].tobytes())
    (network,) = manifest["networks"]
    np.savez(output, **run(network, np.load(given), archive, kinds))
    assert not any(name.startswith("lnfold") for name in sys.modules)
