"""What people call the variables of a TF 2 checkpoint, whose keys are paths through objects.

A key is the path of local names from the root object, ``/`` in a name written ``.S`` and ``.``
written ``..``, closed by ``/.ATTRIBUTES/VARIABLE_VALUE``. Keras 3 paths carry no layer names
(``optimizer/_trainable_variables/2``); the object graph has them as ``full_name``, which in
turn can be empty, shared by two variables, or lack the layer. So a variable is called

    its full name   if no other variable has it, and its scope does not mix several objects
    else its path   without the closing part, below the scope of an object that has one
    else its key
"""

from __future__ import annotations

from lnfold.checkpoint.bytes.wire import LENGTH, fields, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

_CLOSING = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT/"


def full_names(graph: bytes) -> Iterator[tuple[str, str]]:
    """``(key, full name)`` of every value in a serialised TrackableObjectGraph.

    Raises:
        WireError: it is none.
    """
    for number, kind, node in fields(graph):
        if number != 1 or kind != LENGTH:
            continue
        for inner, inner_kind, span in fields(graph, *node):
            if inner != 2 or inner_kind != LENGTH:
                continue
            key = full_name = ""
            for field, field_kind, value in fields(graph, *span):
                if field_kind == LENGTH:
                    if field == 3:
                        key = text(graph[value[0] : value[1]])
                    elif field == 2:
                        full_name = text(graph[value[0] : value[1]])
            if key:
                yield key, full_name


def object_path(key: str) -> str:
    """The path in a key, as it would be written in Python: ``model/layer/kernel``."""
    path = key.removesuffix(_CLOSING)
    if "." not in path:
        return path
    # ".." first to a mark that no name has left, or ".S" of "..S" would become a slash.
    return path.replace("..", "\0").replace(".S", "/").replace("\0", ".")


def object_names(
    keys: Iterable[str],
    full_name_of: Mapping[str, str],
    content_of: Mapping[str, Hashable],
) -> tuple[dict[str, str], dict[str, str]]:
    """A unique name for every key, and the doubles: key → key of the variable it repeats.

    Args:
        content_of: key → anything that is equal for variables with equal values.
    """
    keys = list(keys)
    doubles = _doubles(keys, full_name_of, content_of)
    mixed = _mixed_scopes(keys, full_name_of)
    scopes = _scopes_of_objects(keys, full_name_of, mixed)
    choices: dict[str, list[str]] = {}
    for key in keys:
        full_name = full_name_of.get(key, "").removesuffix(":0")
        choices[key] = [object_path(key), key]
        if full_name and key not in doubles and full_name.rpartition("/")[0] not in mixed:
            choices[key].insert(0, full_name)
        elif key not in doubles and _SLOT not in key:
            choices[key][:0] = _below_a_scope(key, scopes)
    return unique_names(choices), doubles


def unique_names(choices: Mapping[str, list[str]]) -> dict[str, str]:
    """For every key the first of its names that no other key ends up with.

    Args:
        choices: key → names, the best first, the last one unique for sure.
    """
    taken = dict.fromkeys(choices, 0)
    while True:
        users: dict[str, list[str]] = {}
        for key, choice in taken.items():
            users.setdefault(choices[key][choice], []).append(key)
        crowd = [key for sharing in users.values() if len(sharing) > 1 for key in sharing]
        if not crowd:
            return {key: choices[key][choice] for key, choice in taken.items()}
        for key in crowd:
            taken[key] = min(taken[key] + 1, len(choices[key]) - 1)


def _mixed_scopes(keys: list[str], full_name_of: Mapping[str, str]) -> set[str]:
    """Scopes of full names that hold the variables of several objects.

    Keras 3 calls the kernels of all layers of a subclassed model ``model/kernel``. Members of
    lists are left out: a list of variables is not the object that they belong to.
    """
    owner: dict[str, str] = {}
    mixed = set()
    for key in keys:
        path = key.removesuffix(_CLOSING)
        parent, _, last = path.rpartition("/")
        full_name = full_name_of.get(key, "")
        if not full_name or last.isdigit() or _SLOT in path:
            continue
        scope = full_name.rpartition("/")[0]
        if owner.setdefault(scope, parent) != parent:
            mixed.add(scope)
    mixed.discard("")
    return mixed


def _scopes_of_objects(
    keys: list[str], full_name_of: Mapping[str, str], mixed: set[str]
) -> dict[str, str]:
    """The path of every object whose own variables stand in one scope → that scope."""
    found: dict[str, set[str]] = {}
    for key in keys:
        parent, _, last = key.removesuffix(_CLOSING).rpartition("/")
        scope = full_name_of.get(key, "").rpartition("/")[0]
        if scope and parent and not last.isdigit():
            found.setdefault(parent, set()).add(scope)
    return {
        parent: next(iter(scopes))
        for parent, scopes in found.items()
        if len(scopes) == 1 and not scopes <= mixed
    }


def _below_a_scope(key: str, scopes: Mapping[str, str]) -> list[str]:
    """The name below an object's scope of what stands below that object: Sonnet's averages."""
    above, _, _ = key.removesuffix(_CLOSING).rpartition("/")
    while above and above not in scopes:
        above, _, _ = above.rpartition("/")
    return [f"{scopes[above]}/{object_path(key[len(above) + 1 :])}"] if above else []


def _doubles(
    keys: list[str], full_name_of: Mapping[str, str], content_of: Mapping[str, Hashable]
) -> dict[str, str]:
    """Variables that Keras 3's ``export`` stores a second time, in another list.

    Two lists repeat each other if all full names that they share stand for equal values. The
    function of the SavedModel is bound to the list ``variables``, so that one counts.
    """
    holders: dict[str, list[tuple[bool, str, str]]] = {}
    for key in keys:
        container, _, last = key.removesuffix(_CLOSING).rpartition("/")
        if last.isdigit() and full_name_of.get(key):
            is_bound = container.rpartition("/")[2] == "variables"
            holders.setdefault(full_name_of[key], []).append((not is_bound, container, key))
    repeated: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for sharing in holders.values():
        (_, original, first), *others = sorted(sharing)
        for _, container, key in others:
            if container != original:
                repeated.setdefault((container, original), []).append((key, first))
    return {
        key: first
        for pairs in repeated.values()
        if all(content_of[key] == content_of[first] for key, first in pairs)
        for key, first in pairs
    }
