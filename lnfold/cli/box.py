"""The options that say what the inputs can be; commands share them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--box",
        type=float,
        nargs=2,
        metavar="LOW HIGH",
        help="Prove for inputs between these only.",
    ),
    click.option(
        "--box-file", metavar="FILE", help="The same for each input alone: .npz with low and high."
    ),
)


def box_options(function: AnyFunction) -> AnyFunction:
    """Adds the options; the command takes ``box`` and ``box_file``."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
