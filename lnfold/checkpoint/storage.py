"""What variables and checkpoints ask of the container that they come from.

Every kind of container is one class that is both: a storage of values and a set of files.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from lnfold.checkpoint.object_graph import ObjectGraph
    from lnfold.checkpoint.variables import Variable
    from lnfold.checkpoint.zip_archive import ZipArchive

# Big enough for few calls, small enough to stay in a core's cache while it is worked on.
PIECE_BYTES = 1 << 20
# Values that were compressed may take so much more memory than their whole file.
ALLOWANCE = 64 << 20


class Storage:
    """Where the bytes of variables are: one class for each kind of container.

    A storage serves many variables and knows them by their keys.

    Attributes:
        serves_threads: whether several threads may read from it at the same time.
    """

    __slots__ = ()

    serves_threads = False

    def read(self, variable: Variable) -> np.ndarray:
        """The whole array: aligned, in C order, in native byte order, checksum verified."""
        raise NotImplementedError

    def pieces(self, variable: Variable, buffer: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """The elements in runs of one dimension, each valid until the next is asked for.

        Their order is the storage's own. Storages that can do so read a little at a time and
        raise the error of a wrong checksum after the last piece.

        Args:
            buffer: bytes to read into, ``PIECE_BYTES`` or more. A run is not longer.
        """
        yield self.read(variable).reshape(-1)

    def position(self, variable: Variable) -> tuple[int, int]:
        """File and offset of its first byte: who reads in this order reads forwards."""
        return 0, 0


class Container:
    """What a Checkpoint asks of the files behind it."""

    __slots__ = ()

    def close(self) -> None:
        """Close every file."""
        raise NotImplementedError

    def content_id(self) -> str:
        """``algorithm:digits`` over the checksums that the container stores."""
        raise NotImplementedError

    def unverified(self) -> Iterable[str]:
        """What reading every variable does not verify, in words."""
        return ()

    def archives(self) -> Iterable[ZipArchive]:
        """The zip archives that it consists of."""
        return ()

    def object_graph(self) -> ObjectGraph | None:
        """Only TF 2 object checkpoints have one."""
        return None
