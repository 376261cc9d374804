"""Files → named arrays, without TensorFlow. Knows no layer.

    with open_checkpoint("run/model.ckpt-500") as checkpoint:
        for name, variable in checkpoint.items():
            print(name, variable.dtype, variable.shape)
        kernel = checkpoint["actor/dense/kernel"].read()

The way of a path:

    finding        what is meant, a prefix, one of its files, a folder, a step; what kind it is
    bundle, v1     TensorFlow's own formats
    hdf5, keras    ``.h5``, ``.weights.h5``, ``.keras``
    numpy_files    ``.npz``, Stable-Baselines' ``.zip``
    variables      the result: a mapping of names to variables

Beside it: ``statistics`` and ``verify`` read everything, ``write`` writes a V2 checkpoint.
"""

from __future__ import annotations

from lnfold.checkpoint.opening import open_checkpoint
from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.checkpoint.variables.variable import Variable

__all__ = ["Checkpoint", "Variable", "open_checkpoint"]
