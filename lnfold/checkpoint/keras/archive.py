"""Keras's own files: ``.h5`` of whole models, ``.weights.h5``, and ``.keras``, a zip around one.

    whole model (Keras 1 … 3)   model_weights/LAYER/…/VARIABLE, optimizer_weights/…
                                the attribute model_config of the root is the model as JSON
    weights, Keras 1 and 2      LAYER/…/VARIABLE
    weights, Keras 3            layers/LAYER/vars/N; LAYER is a numbered class, N a number
    weights, Keras 3, sharded   NAME.weights.json, and NAME_00000.weights.h5 … of that kind
    .keras                      config.json, model.weights.h5 of the kind above

Nothing that a config names is looked up or run: it is text.
"""

from __future__ import annotations

import io

from lnfold.checkpoint.bytes.limits import PIECE_BYTES
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.window import Window
from lnfold.checkpoint.bytes.zip_archive import ZipArchive
from lnfold.checkpoint.hdf5.file import Hdf5
from lnfold.checkpoint.keras.names import layer_configs, scope_and_class, variable_names
from lnfold.checkpoint.keras.shards import KerasShards
from lnfold.checkpoint.variables.checkpoint import Container
from lnfold.checkpoint.variables.object_names import unique_names
from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.errors import NotACheckpointError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    import numpy as np

WEIGHTS_MEMBER = "model.weights.h5"
CONFIG_MEMBER = "config.json"

_LARGEST_CONFIG = 64 << 20
_MODEL, _OPTIMIZER, _NUMBERED = "model_weights/", "optimizer_weights/", "/vars/"


class KerasArchive(Storage, Container):
    """An open file of Keras.

    Args:
        file: the ``.h5`` or the ``.keras`` file, or the map of a sharded one.
        archive: the same file as a zip, if it is a ``.keras``.
        shards: what the map leads to, if it is that.

    Attributes:
        keras_config: the model as JSON, where the file holds it.
        notes: what was left out.

    Raises:
        DamagedError: also from every method; NotACheckpointError: there are no arrays in it.
    """

    __slots__ = ("_archive", "_hdf5", "_verified", "keras_config", "notes")

    def __init__(
        self,
        file: PositionedFile,
        archive: ZipArchive | None = None,
        shards: KerasShards | None = None,
    ) -> None:
        self._archive = archive
        # whether the checksum of the weights was compared, which waits for the first value
        self._verified = archive is None
        if archive is not None:
            stream: IO[bytes] = archive.open_member(WEIGHTS_MEMBER)
            config = archive.read(CONFIG_MEMBER, _LARGEST_CONFIG)
            self.keras_config: str | None = config.decode("utf-8", "replace")
        else:
            stream = io.BufferedReader(Window(file))
        self._hdf5: Hdf5 | KerasShards = shards or Hdf5(file, stream)
        self.notes = tuple(self._hdf5.notes)
        if archive is None:
            self.keras_config = self._hdf5.text_attribute("", "model_config")
        if not self._hdf5.arrays:
            raise NotACheckpointError(
                "the file holds no arrays",
                file=file.path,
                remedy="Save it again after the model was built, with model.save_weights.",
            )

    @property
    def format(self) -> str:
        """Which of the kinds of file it is."""
        if self._archive is not None:
            return "Keras .keras"
        if isinstance(self._hdf5, KerasShards):
            return "Keras .weights.h5, sharded"
        if any(key.startswith(_MODEL) for key in self._hdf5.arrays):
            return "Keras .h5"
        if any(_NUMBERED in key for key in self._hdf5.arrays):
            return "Keras .weights.h5"
        # Keras cuts lists that are too long for one attribute, and numbers the parts.
        lists = ("layer_names", "layer_names0")
        is_keras = any(self._hdf5.has_attribute("", name) for name in lists)
        return "Keras .h5, weights only" if is_keras else "HDF5"

    def variables(self) -> list[Variable]:
        """One Variable for every array, under the name that its layer gives it."""
        names = unique_names(dict(self._choices()))
        return [
            Variable(names[key], key, array.shape, array.type.dtype or "opaque", array.nbytes, self)
            for key, array in self._hdf5.arrays.items()
        ]

    def files(self) -> list[PositionedFile]:
        """Every file that it consists of."""
        return self._hdf5.files if isinstance(self._hdf5, KerasShards) else [self._hdf5.file]

    def close(self) -> None:
        for file in self.files():
            file.close()

    def archives(self) -> list[ZipArchive]:
        return [] if self._archive is None else [self._archive]

    def content_id(self) -> str:
        import hashlib

        # HDF5 keeps no checksums: all of it has to be read.
        digest = hashlib.sha256()
        for file in self.files():
            for start in range(0, file.size, PIECE_BYTES):
                digest.update(file.read(start, min(PIECE_BYTES, file.size - start)))
        return f"file-sha256:{digest.hexdigest()}"

    def unverified(self) -> Iterable[str]:
        return (
            ()
            if self._archive is not None
            else ("HDF5 keeps no checksums: a changed value goes unnoticed",)
        )

    def read(self, variable: Variable) -> np.ndarray:
        self._verify_archive()
        return self._hdf5.read(variable.key, variable.name)

    def pieces(self, variable: Variable, buffer: np.ndarray | None = None) -> Iterator[np.ndarray]:
        self._verify_archive()
        yield from self._hdf5.pieces(variable.key, variable.name)

    def _verify_archive(self) -> None:
        if self._archive is not None and not self._verified:
            self._archive.verify(WEIGHTS_MEMBER)
            self._verified = True

    def _choices(self) -> Iterator[tuple[str, list[str]]]:
        """For every array the names that it may have, the best first."""
        numbered: dict[str, list[str]] = {}
        for key in self._hdf5.arrays:
            group, vars_group, index = key.rpartition(_NUMBERED)
            if vars_group and index.isdigit():
                numbered.setdefault(group, []).append(key)
            else:
                yield key, _names_of_path(key)
        try:
            configs = layer_configs(self.keras_config) if numbered else {}
        except ValueError as error:
            raise self._hdf5.file.damaged(f"the config of the model is damaged: {error}") from error
        for group, keys in numbered.items():
            scope, class_name, config = scope_and_class(group, self._layer_name, configs)
            keys.sort(key=lambda key: (len(key), key))
            for key, name in zip(keys, variable_names(class_name, config, len(keys)), strict=True):
                yield key, [f"{scope}/{name}", f"{group}/{name}", key]

    def _layer_name(self, group: str) -> str | None:
        if group.startswith("optimizer"):
            return None
        return self._hdf5.text_attribute(f"{group}/vars", "name") or None


def _names_of_path(key: str) -> list[str]:
    """``model_weights/dense/dense/kernel:0`` → ``dense/kernel``: the layer's group is repeated."""
    path = key.removesuffix(":0")
    if path.startswith(_OPTIMIZER):
        return [path, key]
    path = path.removeprefix(_MODEL)
    layer, _, inside = path.partition("/")
    names = [path, key]
    if inside.split("/")[0] == layer or "/" in inside:
        names.insert(0, inside)
    return names
