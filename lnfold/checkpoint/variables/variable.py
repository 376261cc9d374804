"""One named array of a checkpoint, and what it asks of the storage that its bytes are in."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import DTypeLike


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


class Variable:
    """One named array of a checkpoint, not yet read. It cannot be changed.

    Written by hand instead of as a dataclass: a frozen one takes thrice the time to make, and
    importing ``dataclasses`` takes as long as listing a small checkpoint.
    """

    __slots__ = ("_dtype", "_key", "_name", "_nbytes", "_shape", "_storage")

    def __init__(
        self,
        name: str,
        key: str,
        shape: tuple[int, ...],
        dtype: str,
        nbytes: int,
        storage: Storage,
    ) -> None:
        self._name = name
        self._key = key
        self._shape = shape
        self._dtype = dtype
        self._nbytes = nbytes
        self._storage = storage

    @property
    def name(self) -> str:
        """Unique in its checkpoint, what people call it: ``sequential/dense/kernel``."""
        return self._name

    @property
    def key(self) -> str:
        """What the file calls it."""
        return self._key

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension; ``()`` for a scalar."""
        return self._shape

    @property
    def dtype(self) -> str:
        """TensorFlow's name of the element type: ``float32``, ``bfloat16``, ``string`` …"""
        return self._dtype

    @property
    def nbytes(self) -> int:
        """How many bytes it takes in the file."""
        return self._nbytes

    @property
    def storage(self) -> Storage:
        """What reads it."""
        return self._storage

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, {self.dtype}, {self.shape})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Lets ``np.asarray(variable)`` give the array; see ``read``."""
        import numpy as np

        array = self.read()
        return np.array(array, dtype) if copy else np.asarray(array, dtype)

    def named(self, name: str) -> Variable:
        """The same variable under another name."""
        return Variable(name, self.key, self.shape, self.dtype, self.nbytes, self.storage)

    @property
    def size(self) -> int:
        """How many elements it has."""
        count = 1
        for length in self._shape:
            count *= length
        return count

    def read(self) -> np.ndarray:
        """The array: aligned, in C order, in native byte order, read-only, checksum verified.

        Text comes as an array of ``bytes`` objects, the quantised types as plain integers,
        bfloat16, float8 and the types below 8 bits as those of ``ml_dtypes``.

        Raises:
            UnsupportedError: what is stored is not an array (``variant``, ``resource``).
            DamagedError, ChangedWhileReadError: see ``lnfold.errors``.
        """
        array = self._storage.read(self)
        array.flags.writeable = False
        return array
