"""Every arrangement of a network's layers that fits their shapes, and how near examples it comes.

Which layer runs first and which norm belongs to which is tried one step at a time: what is
computed up to a layer is shared by all arrangements that go on from there, and every epsilon and
every activation at once. A wrong arrangement moves the outputs by about their own size, so a few
rows tell the near ones, which are then judged at rounding level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np

from lnfold.network.facts.order import Order
from lnfold.network.records.layers import Array
from lnfold.recovery.examples.arrangements import Block, Near, Step, Tried
from lnfold.recovery.names.layer_order import Arrangement

_DEEPEST: Final = 24  # dense layers


def search(tried: Tried) -> tuple[Near, ...]:
    """The arrangements that fit, the nearest first; ``tried.complete`` says whether all."""
    if len(tried.denses) > _DEEPEST:
        tried.complete = False
        return ()
    orders = [Order.DENSE_NORM_ACT]
    if tried.norms:
        orders = list(dict.fromkeys(map(_first_of_its_kind, tried.choices.orders)))
    with np.errstate(all="ignore"):
        for order in orders:
            for heads in tried.head_sets():
                Descent(tried, order, heads, order is not orders[0]).begin()
    return tuple(sorted(tried.near, key=lambda one: one.error))


def _first_of_its_kind(order: Order) -> Order:
    """dense-act-norm and norm-dense alike set a norm behind an activation."""
    return order if order is Order.DENSE_NORM_ACT else Order.DENSE_ACT_NORM


@dataclass(slots=True)
class Descent:
    """Layer by layer from the input to the outputs, for one order and one set of heads.

    A value is [epsilons, activations, rows, units]; the first two are 1 where it depends on none.
    """

    tried: Tried
    order: Order
    heads: tuple[int, ...]
    again: bool  # whether the other order was tried before
    action: Array | None = None

    @property
    def functions(self) -> Sequence[str]:
        """Those of the hidden layers; behind an identity both orders are one."""
        names = self.tried.choices.functions
        return [one for one in names if one != "identity"] if self.again else names

    def begin(self) -> None:
        """Tries every arrangement."""
        tried = self.tried
        hidden = tuple(one for one in range(len(tried.denses)) if one not in self.heads)
        if hidden and not self.functions:
            return
        first = {tried.denses[one].takes for one in hidden or self.heads}
        joins = [0]
        if tried.joins:
            taken = {one.takes for one in tried.denses}
            delivered = {one.delivers for one in tried.denses} | first
            joins += sorted({one - two for one in taken for two in delivered if one > two})
        norms = tuple(range(len(tried.norms)))
        for width in sorted(first):
            for join in joins:
                given = tried.inputs(width, join)
                if given is None:
                    continue
                value, self.action = given
                value = value[None, None]
                for norm, left in self._norms(norms, width, len(tried.denses)):
                    read = value if norm is None else self._norm(norm, value)
                    self._go(hidden, left, read, width, [], [norm], join == 0)

    def _norms(
        self, left: tuple[int, ...], width: int, places: int
    ) -> Iterator[tuple[Block | None, tuple[int, ...]]]:
        """No norm here, or each that fits; as many may be left as there are places for later."""
        if len(left) <= places:
            yield None, left
        for index in left:
            for norm in self.tried.norms[index]:
                if norm.takes == width:
                    yield norm, tuple(one for one in left if one != index)

    def _go(
        self,
        hidden: tuple[int, ...],
        norms: tuple[int, ...],
        value: Array,
        width: int,
        denses: list[Block],
        gaps: list[Block | None],
        joined: bool,
    ) -> None:
        tried = self.tried
        if not hidden:
            self._end(norms, value, width, denses, gaps, joined)
            return
        places = len(hidden) - 1 + (len(self.heads) == 1)
        for one in hidden:
            block = tried.denses[one]
            read, joins = self._read(block, value, width, joined)
            if read is None or not tried.may_compute(value):
                continue
            made = self._each(read, tried.step(block))
            rest = tuple(other for other in hidden if other != one)
            behind = self.order is not Order.DENSE_NORM_ACT
            plain = self._activated(made) if behind or len(norms) <= places else made
            for norm, left in self._norms(norms, block.delivers, places):
                if norm is None:
                    after = plain
                elif behind:
                    after = self._norm(norm, plain)
                else:
                    after = self._activated(self._norm(norm, made))
                self._go(rest, left, after, block.delivers, [*denses, block], [*gaps, norm], joins)

    def _read(
        self, block: Block, value: Array, width: int, joined: bool
    ) -> tuple[Array | None, bool]:
        """What a dense layer reads; None where it does not fit. And whether all has joined."""
        if block.takes == width:
            return value, joined
        action = self.action
        if joined or action is None or block.takes != width + action.shape[1]:
            return None, joined
        shape = (*value.shape[:2], *action.shape)
        return np.concatenate([value, np.broadcast_to(action, shape)], axis=3), True

    def _end(
        self,
        norms: tuple[int, ...],
        value: Array,
        width: int,
        denses: list[Block],
        gaps: list[Block | None],
        joined: bool,
    ) -> None:
        """The outputs of one arrangement, or of several where a norm may stand behind the last."""
        tried = self.tried
        blocks = [tried.denses[one] for one in self.heads]
        reads = [self._read(one, value, width, joined) for one in blocks]
        if any(read is None or not all_joined for read, all_joined in reads):
            return
        made = [
            self._each(read, tried.step(block))
            for block, (read, _) in zip(blocks, reads, strict=True)
            if read is not None and tried.may_compute(value)
        ]
        if len(made) < len(blocks):
            return
        alone = len(blocks) == 1
        places = self._norms(norms, blocks[0].delivers, 0) if alone else iter([(None, norms)])
        for norm, left in places:
            stood = [*gaps, *[None] * (len(blocks) - 1), norm]
            if left or (self.again and not any(stood[1:])):
                continue  # none may be left; and without any behind a layer both orders are one
            error = self._error([self._answers(one, norm) for one in made])
            arrangement = Arrangement(
                tuple(one.group for one in (*denses, *blocks)),
                tuple(() if one is None else (one.group,) for one in stood),
            )
            before = stood[0] is not None and self.order is not Order.DENSE_NORM_ACT
            order = Order.NORM_DENSE if before else self.order
            tried.near.append(Near(arrangement, order, error))

    def _answers(self, value: Array, norm: Block | None) -> list[Array]:
        """An output under every activation that it may have."""
        tried = self.tried
        if norm is not None and self.order is Order.DENSE_NORM_ACT:
            value = self._norm(norm, value)
        found = [self._each(value, tried.function(name)) for name in tried.choices.heads]
        if norm is not None and self.order is not Order.DENSE_NORM_ACT:
            found = [self._norm(norm, one) for one in found]
        return found

    def _error(self, answers: list[list[Array]]) -> float:
        """How far the outputs are off, in the best assignment of outputs to heads."""
        off: dict[tuple[int, int], Array] = {}
        for head, found in enumerate(answers):
            for number, expected in enumerate(self.tried.outputs):
                if found[0].shape[3] == expected.shape[1]:
                    each = [np.abs(one - expected).max(axis=(2, 3)) for one in found]
                    off[head, number] = np.nan_to_num(np.min(each, axis=0), nan=np.inf)
        ways = permutations(range(len(answers)), len(self.tried.outputs))
        errors = [
            np.max([off[head, number] for number, head in enumerate(way)], axis=0).min()
            for way in ways
            if all((head, number) in off for number, head in enumerate(way))
        ]
        return float(min(errors, default=np.inf))

    def _each(self, value: Array, step: Step) -> Array:
        """A layer of which nothing is open, on every row of every choice."""
        rows = value.reshape(-1, value.shape[3])
        made = step(rows)
        return made.reshape(*value.shape[:3], made.shape[1])

    def _norm(self, norm: Block, value: Array) -> Array:
        epsilons = self.tried.choices.epsilons
        steps = [self.tried.step(norm, one) for one in epsilons]
        parts = np.broadcast_to(value, (len(steps), *value.shape[1:]))
        return np.stack(
            [self._each(one[None], step)[0] for one, step in zip(parts, steps, strict=True)]
        )

    def _activated(self, value: Array) -> Array:
        names = self.functions
        parts = np.broadcast_to(value, (value.shape[0], len(names), *value.shape[2:]))
        made = [
            self._each(parts[:, number : number + 1], self.tried.function(name))
            for number, name in enumerate(names)
        ]
        return np.concatenate(made, axis=1)
