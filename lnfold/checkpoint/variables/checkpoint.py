"""What a checkpoint is to the rest of lnfold: a mapping of names to variables."""

from __future__ import annotations

from collections.abc import Mapping

from lnfold.checkpoint.bytes.natural_order import natural_key
from lnfold.checkpoint.variables.variable import Variable
from lnfold.errors import UnknownNameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, ValuesView

    import numpy as np

    from lnfold.checkpoint.bytes.zip_archive import ZipArchive
    from lnfold.checkpoint.variables.object_graph import ObjectGraph


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


class Checkpoint(Mapping[str, Variable]):
    """The variables of one checkpoint by name, ``dense_2`` before ``dense_10``.

    It keeps its files open, so that a writer that replaces them does not disturb the reading;
    ``close()``, a ``with`` block or the end of its life gives them back.

    Attributes:
        path: the prefix or the file that was opened.
        format: what kind of container it is, in words.
        files: every file that it consists of.
        notes: what a user should know about how it was found and what is odd about it.
        graph_file: the ``.meta`` or ``saved_model.pb`` beside it.
        container: what reads the files.
        doubles: name → name of the variable that holds the same values, for what a writer
            stored twice.
    """

    def __init__(
        self,
        *,
        path: str,
        format: str,
        variables: Iterable[Variable],
        files: Iterable[str],
        container: Container,
        notes: Iterable[str] = (),
        graph_file: str | None = None,
        keras_config: Callable[[], str | None] | None = None,
        doubles: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.format = format
        self.files = tuple(files)
        self.notes = tuple(notes)
        self.graph_file = graph_file
        self._find_keras_config = keras_config
        self.doubles = dict(doubles or {})
        self.container = container
        key = natural_key()
        ordered = sorted(variables, key=lambda variable: key(variable.name))
        self._variables = {variable.name: variable for variable in ordered}
        self._by_key: dict[str, Variable] | None = None
        self._object_graph: ObjectGraph | None = None

    def __getitem__(self, name: str) -> Variable:
        """The variable of that name.

        Raises:
            UnknownNameError: there is none; it says which names are near. It is a KeyError.
        """
        try:
            return self._variables[name]
        except KeyError:
            raise self._unknown(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __contains__(self, name: object) -> bool:
        return name in self._variables

    def _unknown(self, name: str) -> UnknownNameError:
        from difflib import get_close_matches

        near = [one for one in self._variables if one.endswith(f"/{name}")]
        near = near or get_close_matches(name, self._variables, 3)
        return UnknownNameError(
            f"no variable is called '{name}'",
            file=self.path,
            remedy=f"Did you mean {' or '.join(near[:3])}?" if near else None,
        )

    # Mapping would look every name up again, which 70,000 variables notice.
    def get(  # type: ignore[override]
        self, name: str, default: Variable | None = None
    ) -> Variable | None:
        return self._variables.get(name, default)

    def values(self) -> ValuesView[Variable]:
        return self._variables.values()

    def items(self) -> ItemsView[str, Variable]:
        return self._variables.items()

    def __repr__(self) -> str:
        return f"Checkpoint({self.path!r}, {self.format}, {len(self)} variables)"

    # A checkpoint is what it is because of its file: two are equal only if they are the same.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files. Variables cannot be read afterwards."""
        self.container.close()

    def to_dict(self) -> dict[str, np.ndarray]:
        """Every array by name, read now; see ``Variable.read``."""
        return {name: variable.read() for name, variable in self.items()}

    def rows(self) -> list[dict[str, object]]:
        """A row a variable, for a table: ``pandas.DataFrame(checkpoint.rows())``."""
        return [
            {
                "name": one.name,
                "key": one.key,
                "shape": one.shape,
                "dtype": one.dtype,
                "size": one.size,
                "bytes": one.nbytes,
            }
            for one in self.values()
        ]

    def by_key(self, key: str) -> Variable:
        """The variable that the file calls ``key``.

        Raises:
            UnknownNameError: there is none.
        """
        if self._by_key is None:
            self._by_key = {variable.key: variable for variable in self._variables.values()}
        try:
            return self._by_key[key]
        except KeyError:
            raise UnknownNameError("the checkpoint has no such key", variable=key) from None

    @property
    def content_id(self) -> str:
        """Equal for two checkpoints with the same contents, without reading their data."""
        return self.container.content_id()

    @property
    def keras_config(self) -> str | None:
        """JSON text of the Keras model, where the container holds one; read when asked for."""
        return self._find_keras_config() if self._find_keras_config is not None else None

    @property
    def object_graph(self) -> ObjectGraph | None:
        """The objects that a TF 2 checkpoint was saved from, if it was saved from objects.

        It is read when it is first asked for.

        Raises:
            DamagedError: it contradicts itself.
        """
        if self._object_graph is None:
            self._object_graph = self.container.object_graph()
        return self._object_graph
