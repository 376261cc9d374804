"""A network written into a manifest and read out of it again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lnfold.network.manifest.reader import networks_of
from lnfold.network.manifest.record import network_record
from lnfold.network.records.layers import Network


def record_of(network: Network) -> tuple[str, dict[str, np.ndarray]]:
    """Its record as strict JSON, and its arrays."""
    arrays: dict[str, np.ndarray] = {}
    record: dict[str, Any] = network_record(network, "", arrays)
    return json.dumps(record, allow_nan=False, sort_keys=True), arrays


def kept(network: Network) -> Network:
    """The same network, from its record and arrays alone."""
    text, arrays = record_of(network)
    (again,) = networks_of([json.loads(text)], arrays, "made")
    assert record_of(again)[0] == text
    return again
