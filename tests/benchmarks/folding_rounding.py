"""What folding does to rounding: over random networks and over checkpoints.

python -m tests.benchmarks.folding_rounding [CHECKPOINT ...]

The ratio is that of a certificate: the folded network's float32 error over the original's, both
against float64, each the worst of four orders of summation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.editing.steps import Form, Reason
from lnfold.folding.fold import Choice, fold
from lnfold.folding.proof.certificate import Folded
from lnfold.network.records.layers import Network
from lnfold.recovery.recover import recover
from tests.folding.build import actor

NETWORKS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="*")
    options = parser.parse_args()
    for form in Form:
        folded = [fold(network, Choice(form)) for network in random_networks()]
        print(f"{NETWORKS} random networks, {form.value:13} {_ratios(folded)}")
    for path in options.checkpoints:
        with open_checkpoint(path) as checkpoint:
            networks = [one for one in recover(checkpoint).networks if one.complete]
        for network in networks:
            for form in Form:
                print(_line(network, form))


def random_networks() -> Iterator[Network]:
    """Actors of one to three normed layers, gammas N(1, 0.7), betas N(0, ½)."""
    for seed in range(NETWORKS):
        hidden = (64,) * (1 + seed % 3)
        function = ("relu", "relu", "leaky_relu", "tanh")[seed % 4]
        yield actor(seed, (5, *hidden, 1), function, (1e-12, 1e-5, 1e-3)[seed % 3])


def _ratios(folded: Sequence[Folded]) -> str:
    ratios = [one.rounding_ratio for one in folded]
    errors = [one.float64_error for one in folded]
    refused = sum(step.reason is Reason.ROUNDING for one in folded for step in one.refusals)
    return (
        f"rounding median {statistics.median(ratios):.3f}, largest {max(ratios):.2f}, "
        f"steps refused for it {refused}; float64 largest {max(errors):.1e}"
    )


def _line(network: Network, form: Form) -> str:
    start = time.process_time()
    one = fold(network, Choice(form))
    spent = time.process_time() - start
    rules = ", ".join(dict.fromkeys(step.rule for step in one.certificates))
    before, after = one.multiplications
    return (
        f"| {network.name} | {form.value} | {len(one.certificates)} ({rules}) | "
        f"{len(one.refusals)} | {one.float64_error:.1e} | {one.rounding_ratio:.2f} | "
        f"{before} → {after} | {1000 * spent:.0f} ms |"
    )


if __name__ == "__main__":
    main()
