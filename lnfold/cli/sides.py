"""The two sides of a check: what of their networks can be run, and which stands against which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lnfold.checking.left_out import LeftOut, left_out
from lnfold.errors import CannotTellError, UnknownNameError, UsageError
from lnfold.folding.editing.runnable_part import not_run, runnable_part
from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Gap, Network

UNSAID = Gap("it holds an operation whose rows nobody knows")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is run of a network, and the operations that are left out of it."""

    network: Network
    around: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A checkpoint or a folded archive: what can be run of its networks, and why others cannot."""

    path: str
    parts: tuple[Part, ...]
    unrun: Mapping[str, Gap]

    @property
    def names(self) -> list[str]:
        return [*(one.network.name for one in self.parts), *self.unrun]

    def named(self, name: str) -> Part:
        """The part of the network of that name.

        Raises:
            UnknownNameError: there is none.
            CannotTellError: it cannot be run.
        """
        for one in self.parts:
            if one.network.name == name:
                return one
        if name in self.unrun:
            raise self.cannot_run(name)
        raise UnknownNameError(
            f"{self.path} holds no network called '{name}'",
            remedy=f"There are: {', '.join(self.names) or 'none'}.",
        )

    def cannot_run(self, name: str) -> CannotTellError:
        """Why a network cannot be run, and what settles it."""
        gap = self.unrun[name]
        return CannotTellError(
            f"network {name} of {self.path} cannot be run: {gap.what}", remedy=gap.remedy or None
        )


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which network of A stands against which of B, and those of either that stand alone."""

    pairs: tuple[tuple[Part, Part], ...]
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()


def read_side(path: str, facts: Settings, values: bool = False) -> Side:
    """The networks of a checkpoint or of a folded archive.

    Args:
        values: whether to read the variables of operations that are not run.
    """
    from lnfold.checkpoint import open_checkpoint
    from lnfold.checkpoint.numpy_files.manifest import ARCHIVE
    from lnfold.recovery.recover import recover

    with open_checkpoint(path) as checkpoint:
        networks = recover(checkpoint, facts).networks
        # an archive holds the variables of what is run alone
        held = values and checkpoint.format != ARCHIVE
        read = (lambda name: checkpoint[name].read()) if held else None
        parts = [_part(one, left_out(one, read)) for one in networks]
    runs = tuple(one for one in parts if one is not None)
    found = {one.network.name for one in runs}
    left = [one for one in networks if one.name not in found]
    return Side(path, runs, {one.name: next(iter(one.gaps), UNSAID) for one in left})


def _part(network: Network, found: tuple[LeftOut, ...]) -> Part | None:
    part = runnable_part(network)
    return None if part is None else Part(part, not_run(network), found)


def paired(left: Side, right: Side, names: Sequence[str]) -> Pairs:
    """The networks that are compared: those named, else those of one name, else the only ones.

    Args:
        names: ``NAME``, or ``NAME=NAME`` where B calls it otherwise.

    Raises:
        UnknownNameError: no network has such a name.
        UsageError: no two networks belong together.
    """
    if names:
        return Pairs(tuple(_named(left, right, one) for one in names))
    ours = {one.network.name: one for one in left.parts}
    theirs = {one.network.name: one for one in right.parts}
    shared = [name for name in ours if name in theirs]
    if not shared and len(left.names) == len(right.names) == 1 == len(ours) == len(theirs):
        return Pairs(((left.parts[0], right.parts[0]),))
    if not shared:
        raise UsageError(
            f"no network of {right.path} is called as one of {left.path}",
            remedy="Pair them with --network A=B; A holds "
            f"{', '.join(left.names) or 'none'}; B holds {', '.join(right.names) or 'none'}.",
        )
    return Pairs(
        tuple((ours[name], theirs[name]) for name in shared),
        tuple(name for name in left.names if name not in shared),
        tuple(name for name in right.names if name not in shared),
    )


def sides_named(names: Sequence[str]) -> tuple[str | None, str | None]:
    """What A and B call the one network that is asked for; None where it is not one."""
    if len(names) != 1:
        return None, None
    ours, _, theirs = names[0].partition("=")
    return ours, theirs or ours


def _named(left: Side, right: Side, said: str) -> tuple[Part, Part]:
    if said in left.names or "=" not in said:
        part = left.named(said)
        only = len(right.names) == 1 and said not in right.names
        return part, right.named(right.names[0] if only else said)
    ours, _, theirs = said.partition("=")
    return left.named(ours), right.named(theirs)
