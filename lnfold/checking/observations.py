"""The inputs that a network is run on: given ones, or drawn and said so."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.given_rows import rows_at_a_time
from lnfold.network.layers import Input, Network, Standardize

Array = np.ndarray

ROWS = 1024
SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Inputs by name [rows, width], and a sentence that says where they come from."""

    inputs: Mapping[str, Array]
    origin: str


def drawn(network: Network, rows: int = ROWS, seed: int = SEED) -> Observations:
    """Inputs from the observation normaliser's mean and deviation, else from N(0, 1).

    As many rows as asked for, or the few more that make the last sequence a whole one.
    """
    rows += -rows % rows_at_a_time(network)
    generator = np.random.default_rng(seed)
    inputs, normalised = {}, False
    for one in network.inputs:
        sample = generator.standard_normal((rows, one.width))
        normaliser = _normaliser(network, one)
        if normaliser is not None:
            normalised = True
            sample = sample * normaliser.deviation.array.ravel() + normaliser.mean.array.ravel()
        inputs[one.name] = sample.astype(np.float32)
    source = "the observation normaliser's mean and deviation" if normalised else "N(0, 1)"
    return Observations(inputs, f"{rows} rows drawn from {source}, seed {seed}")


def _normaliser(network: Network, one: Input) -> Standardize | None:
    readers = network.consumers(one.name)
    return next((layer for layer in readers if isinstance(layer, Standardize)), None)


def given(network: Network, arrays: Mapping[str, Array], path: str) -> Observations:
    """Inputs from a file's arrays: by the placeholders' names, or ``inputs`` for the only one."""
    inputs = {}
    for one in network.inputs:
        alone = len(network.inputs) == 1
        names = [one.name, one.name.rpartition("/")[2], *(["inputs"] if alone else [])]
        name = next((name for name in names if name in arrays), None)
        if name is None:
            raise UsageError(
                f"{path} holds no array for input '{one.name}' of network {network.name}; "
                f"it holds: {', '.join(sorted(arrays)) or 'nothing'}",
                remedy=f"Name the array '{one.name}'" + (" or 'inputs'." if alone else "."),
            )
        inputs[one.name] = arrays[name]
    rows = next(iter(inputs.values())).shape[0] if inputs else 0
    if not rows:
        raise UsageError(
            f"{path} holds no rows of inputs for network {network.name}",
            remedy="Give at least one row, or leave --inputs out: then rows are drawn.",
        )
    return Observations(inputs, f"{rows} rows of {path}")


def read_arrays(path: str, only: str) -> dict[str, Array]:
    """The arrays of an ``.npz``, or of an ``.npy`` under the name ``only``.

    Raises:
        UsageError: no such file, another format, or an array of Python objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {only: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise UsageError(f"{os.fspath(path)} does not exist") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} holds no NumPy arrays that are safe to read ({error})",
            remedy="Write it with numpy.save or numpy.savez, numbers only.",
        ) from error
