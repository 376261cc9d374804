"""Copies of a checkpoint, graph included, with some of its variables changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint

Change = Callable[[np.ndarray], np.ndarray]


def changed_copy(source: Path, target: Path, changes: Mapping[str, Change]) -> Path:
    """The checkpoint at ``source`` written to ``target``; every change takes a variable's array."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_checkpoint(source) as checkpoint, np.errstate(all="ignore"):
        missing = set(changes) - set(checkpoint)
        assert not missing, missing
        items = [
            (name, changes[name](one.read()).astype(one.read().dtype) if name in changes else one)
            for name, one in checkpoint.items()
        ]
        write_checkpoint(target, items)
        if checkpoint.graph_file is not None:
            shutil.copyfile(checkpoint.graph_file, f"{target}.meta")
    return target
