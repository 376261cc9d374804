"""Arrays that NumPy saved: ``.npz``, and the ``.zip`` files of Stable-Baselines around one.

Stable-Baselines 2 keeps ``parameters``, the bytes of an ``.npz``, beside ``data``, a JSON text
full of pickles that is never looked into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lnfold.checkpoint.bytes.zip_archive import ZipArchive
from lnfold.checkpoint.finding.recognise import is_pickle
from lnfold.checkpoint.numpy_files.npy_header import ENDING, LARGEST_HEADER, NpyHeader, member_of
from lnfold.checkpoint.numpy_files.npy_values import elements, shaped, stored_dtype
from lnfold.checkpoint.variables.checkpoint import Container
from lnfold.checkpoint.variables.object_names import unique_names
from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.errors import NotACheckpointError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np


class NumpyArchive(Storage, Container):
    """An open archive of arrays.

    Args:
        archive: of the file that the user named.
        inside: the member that is the ``.npz``, where the file itself is not.
        called: key → name, for arrays that are called otherwise than by their keys.

    Attributes:
        notes: members that are no arrays.

    Raises:
        DamagedError: also from every method; UnsupportedError: a member is a pickle.
    """

    __slots__ = ("_called", "_headers", "_outer", "_zip", "notes")

    def __init__(
        self,
        archive: ZipArchive,
        inside: str | None = None,
        called: Mapping[str, str] | None = None,
    ) -> None:
        self._called = called or {}
        self._outer = self._zip = archive
        if inside is not None:
            _refuse_pickle(archive, inside, archive.beginning(inside, 200))
            self._zip = ZipArchive(archive.file, archive.open_member(inside))
        self._headers: dict[str, NpyHeader] = {}
        others = []
        for member in self._zip.members:
            if member.endswith(ENDING):
                self._headers[member.removesuffix(ENDING)] = self._header(member)
            elif not member.endswith("/"):
                # Its own header must agree that it is called so, and not like an array.
                self._zip.beginning(member, 1)
                others.append(member)
        if not self._headers:
            raise NotACheckpointError(
                "the archive holds no arrays",
                file=archive.file.path,
                remedy="If a checkpoint is packed in it, unpack it first.",
            )
        self.notes = (f"members that are no arrays: {', '.join(others)}",) if others else ()

    def variables(self) -> list[Variable]:
        """One Variable for every array."""
        names = unique_names(
            {
                key: [self._called.get(key, key.removesuffix(":0")), key.removesuffix(":0"), key]
                for key in self._headers
            }
        )
        return [
            Variable(
                names[key],
                key,
                header.shape,
                header.dtype or header.descr,
                header.data_bytes,
                self,
            )
            for key, header in self._headers.items()
        ]

    def close(self) -> None:
        self._outer.close()

    def content_id(self) -> str:
        import hashlib

        # The directory holds a checksum of every member.
        digest = hashlib.sha256(repr(self._zip.checksums()).encode())
        return f"members-sha256:{digest.hexdigest()}"

    def archives(self) -> list[ZipArchive]:
        return list(dict.fromkeys((self._outer, self._zip)))

    def read(self, variable: Variable) -> np.ndarray:
        import numpy as np

        header = self._headers[variable.key]
        dtype = stored_dtype(header, self._zip.file.path, variable.name)
        self._check_size(variable, header)
        raw = np.empty(variable.nbytes, np.uint8)
        done = 0
        for chunk in self._payload(variable, header):
            raw[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
            done += len(chunk)
        return shaped(elements(raw, header, dtype), header)

    def pieces(self, variable: Variable, buffer: np.ndarray | None = None) -> Iterator[np.ndarray]:
        import numpy as np

        header = self._headers[variable.key]
        dtype = stored_dtype(header, self._zip.file.path, variable.name)
        self._check_size(variable, header)
        rest = b""
        for chunk in self._payload(variable, header):
            whole = rest + chunk
            cut = len(whole) - len(whole) % max(1, header.item_bytes)
            rest = whole[cut:]
            raw = np.frombuffer(whole[:cut], np.uint8)
            yield elements(raw, header, dtype)

    def _header(self, member: str) -> NpyHeader:
        start = self._zip.beginning(member, LARGEST_HEADER + 12)
        _refuse_pickle(self._zip, member, start)
        try:
            return NpyHeader(start)
        except ValueError as error:
            raise self._zip.file.damaged(f"in its member {member}, {error}") from error

    def _check_size(self, variable: Variable, header: NpyHeader) -> None:
        announced = self._zip.size(member_of(variable.key))
        if announced != header.data_start + variable.nbytes:
            raise self._zip.file.damaged(
                f"shape {list(header.shape)} of {header.descr} takes {variable.nbytes} bytes, "
                f"its member has {announced - header.data_start}",
                variable=variable.name,
            )

    def _payload(self, variable: Variable, header: NpyHeader) -> Iterator[bytes]:
        """The elements' bytes, without the header."""
        skip = header.data_start
        for chunk in self._zip.chunks(member_of(variable.key)):
            if len(chunk) > skip:
                yield chunk[skip:]
            skip = max(0, skip - len(chunk))


def _refuse_pickle(archive: ZipArchive, member: str, start: bytes) -> None:
    if is_pickle(start, start[-1:]):
        raise UnsupportedError(
            f"its member {member} is a pickle, which runs code when it is opened",
            file=archive.file.path,
            remedy="Save the arrays with numpy.savez instead.",
        )
