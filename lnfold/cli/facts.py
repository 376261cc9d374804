"""The options that settle what a checkpoint does not say; commands share them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lnfold.errors import UsageError
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Examples, Settings

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class _Epsilon(click.FloatRange):
    """A number that a norm can add to a variance; NaN is in every range of click's."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        from lnfold.network.records.norms import is_epsilon

        number = float(super().convert(value, param, ctx))
        if not is_epsilon(number):
            self.fail(f"{value} is no number that float32 holds.", param, ctx)
        return number


_OPTIONS = (
    click.option("--epsilon", type=_Epsilon(min=0), help="Epsilon of every normalisation."),
    click.option(
        "--order",
        type=click.Choice([order.value for order in Order]),
        help="How dense layer, norm and activation follow each other.",
    ),
    click.option("--activation", metavar="NAME", help="Activation of the hidden layers."),
    click.option("--output-activation", metavar="NAME", help="Activation of the last layer."),
    click.option(
        "--layers",
        metavar="NAMES",
        help='Layers and activations in the order of the run: "fc1 ln1 relu out tanh".',
    ),
    click.option("--output-node", metavar="NODE", help="Graph node that ends the network."),
    click.option(
        "--examples", metavar="FILE", help="Inputs and outputs, .npz, that settle what is unknown."
    ),
    click.option(
        "--assume",
        is_flag=True,
        help="Fold and check on what is assumed, too; the result says what that is.",
    ),
    click.option(
        "--averages",
        is_flag=True,
        help="Take the moving averages of variables, where training kept some, as the network.",
    ),
)


def fact_options(function: AnyFunction) -> AnyFunction:
    """Adds the options; the command takes ``epsilon, order, activation, output_activation,
    layers, output_node, examples, assume, averages`` and turns them into settings with
    :func:`settings`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings(
    epsilon: float | None,
    order: str | None,
    activation: str | None,
    output_activation: str | None,
    layers: str | None,
    output_node: str | None,
    examples: str | None,
    assume: bool,
    averages: bool,
    network: str | None = None,
) -> Settings:
    """What the user said of the network; ``network`` is the one that the examples are of."""
    return Settings(
        epsilon=epsilon,
        order=None if order is None else Order(order),
        activation=activation,
        output_activation=output_activation,
        layers=layers,
        output=output_node,
        examples=None if examples is None else _read_examples(examples),
        network=network,
        averages=averages,
        assume=assume,
    )


def _read_examples(path: str) -> Examples:
    """The arrays of an ``.npz``: ``outputs``, ``outputs/NAME`` and ``outputs_NAME`` are outputs,
    the others inputs."""
    from lnfold.checkpoint.numpy_files.array_file import read_arrays
    from lnfold.recovery.examples.example_arrays import OUTPUT_MARKS

    arrays = read_arrays(path, "inputs")
    outputs = {
        name: one
        for name, one in arrays.items()
        if name == "outputs" or name.startswith(OUTPUT_MARKS)
    }
    inputs = {name: one for name, one in arrays.items() if name not in outputs}
    if not inputs or not outputs:
        raise UsageError(
            f"{path} holds no inputs with their outputs; it holds {', '.join(arrays) or 'nothing'}",
            remedy="Write it with numpy.savez(file, inputs=…, outputs=…), or outputs_NAME=… for "
            "each of several.",
        )
    return Examples(inputs, outputs, path)
