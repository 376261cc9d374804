"""Files → named arrays, without TensorFlow. Knows no layer.

    with open_checkpoint("run/model.ckpt-500") as checkpoint:
        for name, variable in checkpoint.items():
            print(name, variable.dtype, variable.shape)
        kernel = checkpoint["actor/dense/kernel"].read()

The way of a path:

    locate, folder, state_file    what is meant: a prefix, one of its files, a folder, a step
    recognise                     what kind of file it is, by its bytes
    tensor_bundle                 V2: bundle_index (over sorted_table), bundle_shards,
                                  stored_tensors, slices
    tensor_slices                 V1
    keras_archive                 .h5, .weights.h5, .keras (over hdf5), keras_names, keras_shards
    numpy_archive                 .npz, Stable-Baselines .zip (over zip_archive)
    object_names, object_graph    what people call the variables of a TF 2 checkpoint
    variables                     the result: a mapping of names to variables

Beside it: ``statistics`` and ``verify`` read everything, ``write`` writes a V2 checkpoint.
"""

from __future__ import annotations

from lnfold.checkpoint.opening import open_checkpoint
from lnfold.checkpoint.variables import Checkpoint, Variable

__all__ = ["Checkpoint", "Variable", "open_checkpoint"]
