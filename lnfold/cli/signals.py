"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was begun is removed, nothing is half."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Windows has no SIGHUP.
_NAMES = ("SIGTERM", "SIGHUP")


class Stopped(BaseException):
    """The process was asked to end; no ``except Exception`` holds it up.

    Attributes:
        exit_code: 128 and the number of the signal, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raises Stopped in the block where a signal asks for the end, once.

    A signal that whoever started us ignores (``nohup``) stays ignored. Only the main thread may
    decide about signals; in another the block runs without.
    """
    before = {}
    with suppress(ValueError):
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for name in _NAMES:  # cleaning up is not disturbed by the next one
        other = getattr(signal, name, None)
        if other is not None:
            signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)
