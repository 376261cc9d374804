"""Graphs made of nodes in memory, and checkpoints made of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lnfold.checkpoint.variables.checkpoint import Checkpoint, Container
from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.network.facts.settings import Settings
from lnfold.recovery.graph.constants import Constants
from lnfold.recovery.graph.saved_model import read_meta_graph
from lnfold.recovery.patterns.layer_patterns import LayerPatterns
from lnfold.recovery.recover import Recovery, recover
from tests.recovery.proto import meta_graph

Arrays = Mapping[str, np.ndarray]


class _Held(Storage, Container):
    """A container of arrays in memory."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def read(self, variable: Variable) -> np.ndarray:
        return np.array(self._arrays[variable.key])

    def close(self) -> None:
        pass

    def content_id(self) -> str:
        return "made:0"


def checkpoint(
    arrays: Arrays, graph_file: Path | None = None, config: str | None = None
) -> Checkpoint:
    """A checkpoint that holds these arrays, with a graph or a Keras config beside it or none."""
    held = _Held(arrays)
    variables = [
        Variable(name, name, array.shape, array.dtype.name, array.nbytes, held)
        for name, array in arrays.items()
    ]
    return Checkpoint(
        path="made",
        format="made",
        variables=variables,
        files=(),
        container=held,
        graph_file=None if graph_file is None else str(graph_file),
        keras_config=lambda: config,
    )


def recovered(
    folder: Path,
    arrays: Arrays,
    *nodes: bytes,
    functions: tuple[bytes, ...] = (),
    settings: Settings | None = None,
) -> Recovery:
    """What is recovered where these nodes are the graph."""
    path = folder / "made.meta"
    path.write_bytes(meta_graph(*nodes, functions=functions))
    return recover(checkpoint(arrays, path), settings)


def patterns(folder: Path, arrays: Arrays, *nodes: bytes) -> LayerPatterns:
    """The patterns of a graph of these nodes."""
    path = folder / "made.meta"
    path.write_bytes(meta_graph(*nodes))
    made = checkpoint(arrays)
    return LayerPatterns(Constants(read_meta_graph(str(path)), dict(made)))
