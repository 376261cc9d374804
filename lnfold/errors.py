"""Everything that lnfold can tell a user to mend.

    LnfoldError                      caused by the input or the options, never by a bug
    ├── CannotTellError              exit 4   nothing is proved, and so nothing is done
    ├── UsageError                   exit 2   an option or argument that cannot be used
    │   ├── UnknownNameError                  no variable or network has that name
    │   ├── IncompleteNetworkError            a fact is missing that an option would settle
    │   └── OutputError                       an output exists, or is an input
    └── InputError                   exit 3   a file that cannot be read or believed
        ├── CheckpointNotFoundError           nothing is there
        ├── NotACheckpointError               something is there, of another kind
        ├── DamagedError                      a checkpoint whose bytes contradict themselves
        ├── ChangedWhileReadError             somebody wrote the file while it was read
        ├── UnsupportedError                  sound, but not an array, or not safe to open
        └── GraphError                        a graph or config that contradicts itself

    Any other Exception              exit 70  a fault of lnfold's own: no verdict on the input

The two share no base below ``Exception``, so that the command line can tell them apart. It says
either in one line, and shows the traceback of a fault where LNFOLD_TRACEBACK is set.
"""

from __future__ import annotations

import os


class LnfoldError(Exception):
    """A problem with a place and a remedy.

    ``str(error)`` reads "FILE, variable 'NAME', at byte N: what is wrong. What to do."
    Only the parts that are known appear.

    Attributes:
        message: what was expected and what was found.
        file, variable, offset: where; ``offset`` counts bytes from the start of ``file``.
        remedy: what the user can do about it, a sentence.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | os.PathLike[str] | None = None,
        variable: str | None = None,
        offset: int | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = None if file is None else os.fspath(file)
        self.variable = variable
        self.offset = offset
        self.remedy = remedy

    def __str__(self) -> str:
        place = []
        if self.file is not None:
            place.append(self.file)
        if self.variable is not None:
            place.append(f"variable '{self.variable}'")
        if self.offset is not None:
            place.append(f"at byte {self.offset}")
        sentence = f"{', '.join(place)}: {self.message}" if place else self.message
        if not sentence.endswith((".", "?", "!")):
            sentence += "."
        return f"{sentence} {self.remedy}" if self.remedy else sentence


class CannotTellError(LnfoldError):
    """Rounding could hide a difference, or a number is not finite: there is no verdict."""

    exit_code = 4


class UsageError(LnfoldError):
    """An option or argument that cannot be used as it stands."""


class UnknownNameError(UsageError, KeyError):
    """No variable, network or layer has the name that was asked for; also a KeyError."""


class IncompleteNetworkError(UsageError):
    """A network lacks a fact (epsilon, order, activation) that an option would settle."""


class OutputError(UsageError):
    """An output that already exists, is one of the inputs, or cannot be written."""


class InputError(LnfoldError):
    """A file that cannot be read or believed."""

    exit_code = 3


class CheckpointNotFoundError(InputError):
    """Nothing is at the path, or a folder holds no checkpoint."""


class NotACheckpointError(InputError):
    """A file of another kind than the path or the caller promised."""


class DamagedError(InputError):
    """A checkpoint whose bytes contradict themselves or their checksum."""


class ChangedWhileReadError(InputError):
    """A file was replaced or written while it was being read; reading again may work."""


class UnsupportedError(InputError):
    """A sound file that lnfold does not turn into arrays: not an array, or not safe."""


class GraphError(InputError):
    """A graph or a config that is damaged or contradicts the variables beside it."""
