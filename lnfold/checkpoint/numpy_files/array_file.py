"""Arrays of numbers that people give: inputs, outputs, boxes, folded networks.

An ``.npz`` or an ``.npy``, told by its content, is read as a checkpoint is: a regular file only,
at explicit positions, no more than it holds, every checksum compared, nothing unpickled.
"""

from __future__ import annotations

import os

from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.numpy_files.npy_header import LARGEST_HEADER, MAGIC, NpyHeader
from lnfold.checkpoint.numpy_files.npy_values import elements, shaped, stored_dtype
from lnfold.errors import (
    CheckpointNotFoundError,
    InputError,
    NotACheckpointError,
    UnsupportedError,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import numpy as np

    from lnfold.checkpoint.numpy_files.numpy_archive import NumpyArchive

_REMEDY = "Write it with numpy.save or numpy.savez, numbers only."


def read_arrays(path: str | os.PathLike[str], only: str) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` by name, or that of an ``.npy`` under the name ``only``.

    Numbers as they are stored, but in this machine's byte order, and bfloat16 as float32.

    Raises:
        UsageError: nothing is there, or something else than arrays of numbers.
        InputError: what is there cannot be read, is damaged, or changes meanwhile.
    """
    try:
        file = PositionedFile(os.fspath(path))
        start = file.read(0, min(file.size, LARGEST_HEADER + 12))
        if start.startswith(MAGIC):
            found = {only: _numbers(_single(file, start, only), only, file.path)}
        else:
            archive = _archive(file)
            found = {
                one.key: _numbers(one.read(), one.key, file.path) for one in archive.variables()
            }
        file.close()
    except CheckpointNotFoundError as error:
        raise UsageError(f"{os.fspath(path)} does not exist", remedy="Check the path.") from error
    except (NotACheckpointError, UnsupportedError) as error:
        raise UsageError(
            error.message, file=error.file, variable=error.variable, remedy=error.remedy
        ) from error
    except MemoryError as error:
        raise UsageError(
            "its arrays take more memory than there is",
            file=path,
            remedy="Give fewer rows.",
        ) from error
    return found


def holds_array(path: str | os.PathLike[str], name: str) -> bool:
    """Whether ``path`` is an ``.npz`` with an array of that name; its values are not read."""
    try:
        file = PositionedFile(os.fspath(path))
        return any(one.key == name for one in _archive(file).variables())
    except InputError:
        return False


def _archive(file: PositionedFile) -> NumpyArchive:
    """The arrays of a zip, which together unpack to no more than the file and the allowance."""
    from lnfold.checkpoint.bytes.zip_archive import ZipArchive
    from lnfold.checkpoint.finding import recognise
    from lnfold.checkpoint.numpy_files.numpy_archive import NumpyArchive

    kind = recognise.recognise(file)
    if kind != recognise.ZIP:
        known = {recognise.PICKLE: "a pickle", recognise.HDF5: "an HDF5 file"}
        what = known.get(kind) or recognise.description(file)[0]
        raise NotACheckpointError(
            f"it holds no NumPy arrays that are safe to read, but is {what}",
            file=file.path,
            remedy=_REMEDY,
        )
    archive = ZipArchive(file)
    archive.bound_together()
    return NumpyArchive(archive)


def _single(file: PositionedFile, start: bytes, name: str) -> np.ndarray:
    import numpy as np

    try:
        header = NpyHeader(start)
    except ValueError as error:
        raise file.damaged(f"as an array, {error}", offset=0) from error
    dtype = stored_dtype(header, file.path, name)
    held = file.size - header.data_start
    if held != header.data_bytes:
        raise file.damaged(
            f"shape {list(header.shape)} of {header.descr} takes {header.data_bytes} bytes, "
            f"it holds {held}",
            offset=header.data_start,
        )
    raw = np.empty(held, np.uint8)
    file.read_into(memoryview(raw.data), header.data_start)
    return shaped(elements(raw, header, dtype), header)


def _numbers(array: np.ndarray, name: str, path: str) -> np.ndarray:
    """The array, if it holds real numbers."""
    if array.dtype.name == "bfloat16":
        return array.astype("float32")
    if array.dtype.kind not in "fiub":
        kind = "text" if array.dtype == object else f"{array.dtype.name} values"
        raise UsageError(
            f"it holds {kind}, where real numbers are expected",
            file=path,
            variable=name,
            remedy=f"Leave '{name}' out of the file, or store it as numbers.",
        )
    return array
