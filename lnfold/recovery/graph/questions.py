"""Answers that rest on other answers, found without recursion.

A graph is untrusted: it may be deeper than Python's own stack, or run in a circle. So a
question about a tensor is answered after those about the tensors it is computed from, from an
explicit stack, and what is asked of itself gets no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class Answers(Generic[Question, Answer]):
    """Answers by question, each found once.

    Args:
        needs: the questions that an answer rests on.
        find: the answer, where those of its needs can be had from ``known``.
        circular: the answer to a question that rests on itself.
    """

    def __init__(
        self,
        needs: Callable[[Question], Iterable[Question]],
        find: Callable[[Question], Answer],
        circular: Answer,
    ) -> None:
        self._needs = needs
        self._find = find
        self._circular = circular
        self._found: dict[Question, Answer] = {}

    def known(self, question: Question) -> Answer:
        """An answer that has been found; the circular one while it is still looked for."""
        return self._found.get(question, self._circular)

    def __call__(self, question: Question) -> Answer:
        if question in self._found:
            return self._found[question]
        pending = [question]
        entered: set[Question] = set()
        while pending:
            current = pending[-1]
            if current in self._found:
                pending.pop()
                continue
            if current not in entered:
                entered.add(current)
                open_needs = [one for one in self._needs(current) if one not in self._found]
                if open_needs:
                    pending.extend(one for one in open_needs if one not in entered)
                    continue
            self._found[current] = self._find(current)
            pending.pop()
        return self._found[question]
