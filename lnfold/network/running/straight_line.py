"""Calls that are made again and again, as one function without a loop.

For a single observation a loop over calls, and what keeps their arguments, would take as long as
a tenth of the network. The function's source is made of numbered names only: nothing that stands
in a checkpoint gets into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """function(*arguments), or function(*arguments, out=out)."""

    function: Callable[..., object]
    arguments: tuple[object, ...]
    out: object = None


def straight_line(calls: Sequence[Call]) -> Callable[[], None]:
    """A function that makes ``calls`` in turn."""
    names: dict[int, str] = {}
    values: list[object] = []

    def name(value: object) -> str:
        if id(value) not in names:
            names[id(value)] = f"value_{len(values)}"
            values.append(value)
        return names[id(value)]

    lines = []
    for call in calls:
        arguments = [name(one) for one in call.arguments]
        if call.out is not None:
            arguments.append(f"out={name(call.out)}")
        lines.append(f"        {name(call.function)}({', '.join(arguments)})")
    source = "\n".join(
        (
            f"def bind({', '.join(names.values())}):",
            "    def compute():",
            *(lines or ["        pass"]),
            "    return compute",
        )
    )
    scope: dict[str, Any] = {}
    exec(compile(source, "<straight line>", "exec"), scope)
    bound: Callable[[], None] = scope["bind"](*values)
    return bound
