"""What did the user point at: a prefix, one of its files, a folder, a file of its own?

No path is ever taken for a pattern: folders may be called ``run[1]``.
"""

from __future__ import annotations

import os

from lnfold.checkpoint.bundle.shards import list_shards
from lnfold.checkpoint.bytes.positioned_file import cannot_read
from lnfold.checkpoint.finding.location import Location, has_index, v1_shards
from lnfold.errors import CheckpointNotFoundError, NotACheckpointError
from lnfold.files.file_names import SAVED_MODEL_FILES, STATE_FILE, stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.errors import InputError


def locate(path: str, step: int | None = None) -> Location:
    """Find the checkpoint that ``path`` means.

    Args:
        path: a prefix, any of its files, a folder, a state file, or a file of another container.
        step: the one of several checkpoints whose name ends in ``-step``.

    Raises:
        CheckpointNotFoundError: nothing is there, or several are; the error names what is.
        NotACheckpointError: a folder of another kind.
    """
    if "\0" in path or not path:
        from lnfold.checkpoint.finding.nearby import ACCEPTED

        raise CheckpointNotFoundError("the path is empty or holds a NUL character", remedy=ACCEPTED)
    if step is not None and not os.path.isdir(path):
        return _at_step(path, step)
    if has_index(path) and not path.endswith(("/", os.sep)):
        return Location(path)
    if os.path.isdir(path):
        from lnfold.checkpoint.finding.folder import locate_in_folder

        return locate_in_folder(path, step)
    prefix = stem(path)
    if prefix != path and (has_index(prefix) or v1_shards(prefix)):
        return Location(prefix)
    if os.path.isfile(path):
        if os.path.basename(path) in (STATE_FILE, *SAVED_MODEL_FILES):
            from lnfold.checkpoint.finding.folder import locate_in_folder

            return locate_in_folder(os.path.dirname(path) or ".", step)
        if prefix != path:
            raise _index_missing(prefix, path)
        return Location(path)
    if v1_shards(path):
        return Location(path)
    if list_shards(prefix) or os.path.isfile(prefix + ".meta"):
        raise _index_missing(prefix, path)
    raise _nothing_at(path)


def _at_step(path: str, step: int) -> Location:
    prefix = stem(path)
    if prefix.endswith(f"-{step}"):
        return locate(path)
    for candidate in (f"{prefix}-{step}", f"{prefix.rpartition('-')[0]}-{step}"):
        if has_index(candidate) or v1_shards(candidate):
            return Location(candidate)
    from lnfold.checkpoint.finding.nearby import contents

    raise CheckpointNotFoundError(
        f"there is no step {step} of it", file=path, remedy=contents(os.path.dirname(path) or ".")
    )


def _index_missing(prefix: str, path: str) -> InputError:
    what = "the graph" if path.endswith(".meta") else "the values"
    return CheckpointNotFoundError(
        f"{what} of a checkpoint without its index, {os.path.basename(prefix)}.index, "
        "which says what is where",
        file=path,
        remedy="Copy the .index file into the same folder.",
    )


def _nothing_at(path: str) -> InputError:
    from lnfold.checkpoint.finding.nearby import ACCEPTED, contents, near_names

    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return cannot_read(path, error)
    else:
        return NotACheckpointError(
            "this is neither a file nor a folder but a pipe, a socket or a device",
            file=path,
            remedy="Write what comes out of it into a file first.",
        )
    if os.path.islink(path):
        return CheckpointNotFoundError(
            f"this is a link to {os.readlink(path)}, which is not there",
            file=path,
            remedy="Give the path of the checkpoint itself, or mend the link.",
        )
    if "://" in path:
        return CheckpointNotFoundError(
            "this is an address, and only files of this machine are read",
            file=path,
            remedy="Download the checkpoint first, all its files into one folder.",
        )
    folder, near = near_names(path)
    if folder is not None:
        message = f"there is no such checkpoint, and the folder {folder} does not exist"
    else:
        message = "there is no such checkpoint"
    if near:
        remedy = f"Did you mean {' or '.join(near)}?"
    elif path.startswith("~"):
        remedy = "The shell turns ~ into your home folder only where it is not in quotes."
    elif any(one in path for one in "*?"):
        remedy = f"A path is taken as it stands, * and ? too. {ACCEPTED}"
    else:
        there = os.path.dirname(folder if folder is not None else path) or "."
        remedy = f"{contents(there)} {ACCEPTED}".lstrip()
    return CheckpointNotFoundError(message, file=path, remedy=remedy)
