"""From a path to a Checkpoint: find it, recognise it, name its variables."""

from __future__ import annotations

import os

from lnfold.checkpoint.bundle.names import bundle_names
from lnfold.checkpoint.bundle.tensor_bundle import open_bundle
from lnfold.checkpoint.bytes.gc_paused import PausedCollection
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.finding.locate import locate
from lnfold.checkpoint.finding.location import Location, has_index, v1_shards
from lnfold.checkpoint.finding.no_file import no_file, no_file_in_saved_model
from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.errors import NotACheckpointError, UnsupportedError
from lnfold.files.file_names import KERAS_METADATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checkpoint.keras.archive import KerasArchive
    from lnfold.checkpoint.keras.shards import KerasShards


def open_checkpoint(path: str | os.PathLike[str], *, step: int | None = None) -> Checkpoint:
    """Open whatever checkpoint is at ``path``, without reading values yet.

    >>> with open_checkpoint("sample_checkpoints/cartpole_actor") as checkpoint:
    ...     checkpoint["actor/dense/kernel"]
    Variable('actor/dense/kernel', float32, (5, 64))

    Args:
        path: a prefix, any of its files, a folder, a SavedModel, a ``.h5``, ``.keras``, ``.npz``
            or Stable-Baselines ``.zip`` file. What it is decides its content, not its name.
        step: the one of several checkpoints whose name ends in ``-step``.

    Raises:
        InputError: one of its kinds, see ``lnfold.errors``: nothing there, something else,
            damaged, changing, or not safe to open.
    """
    checkpoint = _opened(locate(os.fspath(path), step))
    if os.path.isdir(path):
        from lnfold.checkpoint.finding.links import refuse_links_out

        refuse_links_out(os.fspath(path), _read_with(checkpoint))
    return checkpoint


def _read_with(checkpoint: Checkpoint) -> list[str]:
    """The files of a checkpoint and those that are read beside it."""
    graph, folder = checkpoint.graph_file, saved_model_of(checkpoint.path)
    beside = [] if graph is None else [graph]
    beside += [] if folder is None else [os.path.join(folder, KERAS_METADATA)]
    return [*checkpoint.files, *(path for path in beside if os.path.lexists(path))]


def _opened(location: Location) -> Checkpoint:
    if has_index(location.path):
        with PausedCollection():
            return _bundle(location)
    shards = v1_shards(location.path)
    if shards:
        return _v1(location, shards)
    return _single_file(location)


def _bundle(location: Location) -> Checkpoint:
    bundle = open_bundle(location.path)
    names = bundle_names(bundle)
    folder = saved_model_of(location.path)
    if folder is None:
        graph_file = location.path + ".meta"
        unread = no_file(graph_file, "no graph")
        format = "TF 2 object checkpoint" if names.are_objects else "TensorBundle V2"
    else:
        graph_file = os.path.join(folder, "saved_model.pb")
        unread = no_file_in_saved_model(folder)
        format = "SavedModel"

    def keras_config() -> str | None:
        from lnfold.checkpoint.keras.metadata import config_in_saved_model

        return None if folder is None else config_in_saved_model(folder)

    return Checkpoint(
        path=location.path,
        format=format,
        variables=bundle.variables(names.of),
        files=bundle.files(),
        container=bundle,
        notes=(*location.notes, *bundle.notes, *names.notes, *unread),
        graph_file=graph_file if os.path.isfile(graph_file) else None,
        keras_config=keras_config,
        doubles=names.doubles,
    )


def _v1(location: Location, paths: list[str]) -> Checkpoint:
    from lnfold.checkpoint.v1.tensor_slices import TensorSlices

    container = TensorSlices(paths)
    meta = location.path + ".meta"
    return Checkpoint(
        path=location.path,
        format="V1" if paths == [location.path] else "V1, sharded",
        variables=container.variables(),
        files=paths,
        container=container,
        notes=(*location.notes, *no_file(meta, "no graph")),
        graph_file=meta if os.path.isfile(meta) else None,
    )


def _single_file(location: Location) -> Checkpoint:
    from lnfold.checkpoint.finding import recognise

    file = PositionedFile(location.path)
    kind = recognise.recognise(file)
    if kind == recognise.TABLE:
        return _table(location, file)
    if kind == recognise.HDF5:
        return _hdf5(location, file)
    if kind == recognise.ZIP:
        return _zip(location, file)
    if kind == recognise.PICKLE:
        raise UnsupportedError(
            "this is a pickle, which runs code of its author when it is opened",
            file=location.path,
            remedy="In the program that wrote it, save the arrays with numpy.savez, or the "
            "variables with tf.train.Saver or tf.train.Checkpoint.",
        )
    if kind == recognise.TEXT:
        from lnfold.checkpoint.finding.certificates import is_certificate
        from lnfold.checkpoint.keras.shards import KerasShards, is_map

        start = file.read(0, min(file.size, recognise.SAMPLE_BYTES))
        if is_map(start):
            return _hdf5(location, file, KerasShards(file))
        if is_certificate(start):
            return _certified(location)
    what, remedy = recognise.description(file)
    raise NotACheckpointError(
        f"this is no checkpoint but {what}", file=location.path, remedy=remedy
    )


def _certified(location: Location) -> Checkpoint:
    """The fold that a certificate lies beside."""
    from lnfold.checkpoint.finding.certificates import certified

    fold = locate(certified(location.path))
    note = f"{os.path.basename(location.path)} is the certificate of {fold.path}, which was opened"
    return _opened(Location(fold.path, (*location.notes, *fold.notes, note)))


def _table(location: Location, file: PositionedFile) -> Checkpoint:
    """A table that is not called ``.index``: a V1 checkpoint, or an index under another name."""
    from lnfold.checkpoint.v1.tensor_slices import is_v1

    if is_v1(file):
        return _v1(location, [location.path])
    raise NotACheckpointError(
        "this is the index of a V2 checkpoint under another name",
        file=location.path,
        remedy="Call it NAME.index, beside NAME.data-00000-of-00001.",
    )


def _hdf5(
    location: Location, file: PositionedFile, shards: KerasShards | None = None
) -> Checkpoint:
    from lnfold.checkpoint.keras.archive import KerasArchive
    from lnfold.checkpoint.keras.shards import map_of_shard

    whole = map_of_shard(location.path)
    if whole is not None:
        note = f"this is one of several files of weights; {whole} opens all of them"
        location = Location(location.path, (*location.notes, note))
    return _keras(location, KerasArchive(file, shards=shards))


def _keras(location: Location, container: KerasArchive) -> Checkpoint:
    return Checkpoint(
        path=location.path,
        format=container.format,
        variables=container.variables(),
        files=[file.path for file in container.files()],
        container=container,
        notes=(*location.notes, *container.notes),
        keras_config=lambda: container.keras_config,
    )


def _zip(location: Location, file: PositionedFile) -> Checkpoint:
    from lnfold.checkpoint.bytes.zip_archive import ZipArchive

    archive = ZipArchive(file)
    members = archive.members
    if {"config.json", "model.weights.h5"} <= members.keys():
        from lnfold.checkpoint.keras.archive import KerasArchive

        return _keras(location, KerasArchive(file, archive))
    if "parameters" in members and "data" in members:
        format = "Stable-Baselines .zip"
    elif any(name.endswith((".pth", "data.pkl")) for name in members):
        raise UnsupportedError(
            "this is an archive of PyTorch, whose tensors are described by a pickle",
            file=location.path,
            remedy="Only checkpoints of TensorFlow and Keras, and NumPy archives, are read.",
        )
    else:
        format = "NumPy .npz"
    called = None
    if "manifest.npy" in members:
        from lnfold.checkpoint.numpy_files.manifest import ARCHIVE, names_by_manifest

        called = names_by_manifest(archive)
        format = format if called is None else ARCHIVE
    from lnfold.checkpoint.numpy_files.numpy_archive import NumpyArchive

    inside = "parameters" if format.startswith("Stable") else None
    container = NumpyArchive(archive, inside, called)
    return Checkpoint(
        path=location.path,
        format=format,
        variables=container.variables(),
        files=[location.path],
        container=container,
        notes=(*location.notes, *container.notes),
    )


def saved_model_of(prefix: str) -> str | None:
    """The folder of the SavedModel whose ``variables/variables`` is ``prefix``, if it is that."""
    folder = os.path.dirname(prefix)
    if os.path.basename(os.path.abspath(folder)) != "variables":
        return None
    parent = os.path.normpath(os.path.join(folder, os.pardir))
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        if os.path.lexists(os.path.join(parent, name)):
            return parent
    return None
