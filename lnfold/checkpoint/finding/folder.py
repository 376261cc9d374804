"""Which checkpoint in a folder: the one that its state file names, the step asked for, the only
one, or the one of a SavedModel.
"""

from __future__ import annotations

import os

from lnfold.checkpoint.bundle.shards import complete_count, shards_by_prefix
from lnfold.checkpoint.bytes.natural_order import natural_order
from lnfold.checkpoint.bytes.positioned_file import PositionedFile, cannot_read
from lnfold.checkpoint.finding.location import Location, has_index, v1_shards
from lnfold.checkpoint.finding.nearby import ACCEPTED, CONTAINER_ENDINGS, contents
from lnfold.checkpoint.finding.state_file import read_state
from lnfold.errors import CheckpointNotFoundError, InputError, NotACheckpointError
from lnfold.files.file_names import STATE_FILE, stem
from lnfold.files.files_read import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# So many files without a checkpoint among them are looked into.
_MOST_LOOKED_INTO = 200
# So many checkpoints are named at either end of a list of them.
_MOST_NAMED = 5


def locate_in_folder(folder: str, step: int | None) -> Location:
    """The checkpoint in ``folder``.

    Raises:
        CheckpointNotFoundError: none, or several of which nothing says which one is meant.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise cannot_read(folder, error) from error
    if "saved_model.pb" in names or "saved_model.pbtxt" in names:
        return _saved_model(folder)
    held, passed_over = _held(folder, names)
    if step is not None:
        return _step(folder, held, step)
    notes: tuple[str, ...] = ()
    if STATE_FILE in names:
        found, notes = _named_by_state(folder, held)
        if found is not None:
            return Location(found, notes + passed_over if notes else ())
    notes += passed_over
    if len(held) == 1:
        return Location(held[0], notes)
    if held:
        raise CheckpointNotFoundError(
            f"the folder holds {len(held)} checkpoints and nothing says which is meant: "
            + _listed(held)
            + "".join(f"; {note}" for note in notes),
            file=folder,
            remedy="Choose one by its path, or by --step where names end in a step.",
        )
    raise _nothing_in(folder, names, notes)


def _held(folder: str, names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Every checkpoint in the folder: bundles and V1 shards, and if there are none, any other;
    and a note on what has the name of one and is no file.
    """
    prefixes = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    found = {os.path.join(folder, prefix) for prefix in prefixes}
    no_index = {path for path in found if not has_index(path)}
    found -= no_index
    no_files = [f"{path}.index" for path in no_index]
    v1 = shards_by_prefix((name for name in names if ".data-" not in name), "-")
    found |= {os.path.join(folder, prefix) for prefix in v1 if complete_count(v1[prefix])}
    if not found:
        found = set(_containers(folder, names))
        paths = (os.path.join(folder, name) for name in names if name.endswith(CONTAINER_ENDINGS))
        no_files += [path for path in paths if not (os.path.isfile(path) or os.path.isdir(path))]
    return natural_order(found), _passed_over(folder, natural_order(no_files))


def _passed_over(folder: str, paths: list[str]) -> tuple[str, ...]:
    if not paths:
        return ()
    are = "is no regular file" if len(paths) == 1 else "are no regular files"
    return (f"{_listed(paths)} in {folder} {are}, so no checkpoint was read from there",)


def _containers(folder: str, names: list[str]) -> Iterator[str]:
    from lnfold.checkpoint.finding.recognise import HDF5, TABLE, TEXT, ZIP, recognise
    from lnfold.checkpoint.keras.shards import MAP_ENDING, map_of_shard

    for name in sorted(names)[:_MOST_LOOKED_INTO]:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            try:
                kind = recognise(PositionedFile(path))
            except InputError:
                continue
            is_one = kind in (TABLE, HDF5, ZIP) and map_of_shard(path) is None
            if is_one or (kind == TEXT and name.endswith(MAP_ENDING)):
                yield path
            elif kind not in (TABLE, HDF5, ZIP):
                forget(path)  # looked into, but nothing that was read


def _named_by_state(folder: str, held: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """What the state file calls the newest, and what to know about how it was found."""
    state = os.path.join(folder, STATE_FILE)
    newest, _ = read_state(state)
    if newest is None:
        return None, (f"the state file {state} names no newest checkpoint",)
    path = os.path.normpath(os.path.join(folder, newest))
    if _is_there(path):
        if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), "")):
            return path, (f"the state file {state} leads out of its folder, to {path}",)
        # V1 shards stand there with question marks.
        return path if has_index(path) or os.path.isfile(path) else stem(path), ()
    # The folder was copied from another machine, perhaps one with other separators.
    beside = os.path.join(folder, newest.replace("\\", "/").rpartition("/")[2])
    if beside != path and _is_there(beside):
        return beside, (
            f"the state file {state} names {newest}, which is not there; "
            f"{beside} of the same name was used",
        )
    if len(held) == 1:
        return held[0], (
            f"the state file {state} names {newest}, which is not there; "
            f"{held[0]}, the only one in the folder, was used",
        )
    return None, (f"the state file names {newest}, which is not there",)


def _is_there(path: str) -> bool:
    return has_index(path) or os.path.isfile(path) or bool(v1_shards(stem(path)))


def _step(folder: str, held: list[str], step: int) -> Location:
    found = [path for path in held if path.endswith(f"-{step}")]
    if len(found) == 1:
        return Location(found[0])
    if found:
        raise CheckpointNotFoundError(
            f"several checkpoints are of step {step}: {_listed(found)}",
            file=folder,
            remedy="Choose one by its path.",
        )
    raise CheckpointNotFoundError(
        f"no checkpoint of step {step}; the folder holds {_listed(held) or 'none at all'}",
        file=folder,
        remedy="Choose another step, or a checkpoint by its path.",
    )


def _listed(paths: list[str]) -> str:
    """The names of checkpoints, of many the first and the last."""
    names = [os.path.basename(path) for path in paths]
    if len(names) > 2 * _MOST_NAMED:
        left_out = len(names) - 2 * _MOST_NAMED
        names[_MOST_NAMED:-_MOST_NAMED] = [f"… ({left_out:,} more) …"]
    return ", ".join(names)


def _saved_model(folder: str) -> Location:
    prefix = os.path.join(folder, "variables", "variables")
    if has_index(prefix):
        return Location(prefix)
    raise NotACheckpointError(
        "the SavedModel has no variables/variables.index, so it holds no variables",
        file=folder,
        remedy="If its graph is frozen, its weights are constants; take the checkpoint that it "
        "was frozen from.",
    )


def _nothing_in(folder: str, names: list[str], notes: tuple[str, ...]) -> InputError:
    if notes:
        message = f"the folder holds no checkpoint, and {notes[0]}"
    elif names:
        message = "the folder holds no checkpoint"
    else:
        message = "the folder is empty"
    below = [
        path
        for path in (os.path.join(folder, name) for name in sorted(names)[:_MOST_LOOKED_INTO])
        if os.path.isdir(path) and _looks_like_one(path)
    ]
    endings = {ending for ending in (".data-", ".meta") for name in names if ending in name}
    if below:
        remedy = f"Did you mean {' or '.join(below[:5])}?"
    elif endings:
        listed = " and ".join(sorted(endings))
        remedy = f"It has {listed} files without their .index file: copy that too."
    elif notes:
        remedy = "Copy the .index and .data-… files of the checkpoint into the folder."
    else:
        remedy = f"{contents(folder)} {ACCEPTED}" if names else ACCEPTED
    return CheckpointNotFoundError(message, file=folder, remedy=remedy)


def _looks_like_one(folder: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(name == "saved_model.pb" or name.endswith(".index") for name in names)
