"""What `lnfold inspect` promises of every layer, beside what `lnfold fold` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lnfold import Settings, open_checkpoint, recover
from lnfold.export.folding import fold_chosen
from lnfold.folding.choice import Choice
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.fold import fold
from lnfold.folding.proof.certificate import Folded
from lnfold.network.records.context import Context
from lnfold.network.records.layers import Dense, LayerNorm, Network, Norm, Parameter
from lnfold.network.records.pairs import Pair
from lnfold.recovery.recover import Recovery
from lnfold.relations.question.centred import offset
from lnfold.relations.question.relate import relate
from tests.conftest import REAL, SAMPLES
from tests.folding.test_wild_networks import SEEDS, wild_network

GIVEN = {"cartpole_actor_keras": Settings(activation="relu", output_activation="tanh")}
PUBLIC = list(REAL.iterdir()) if REAL.is_dir() else []
FOLDERS = {"sonnet2"}  # of many checkpoints, a folder each
PLACES = [
    path
    for top in (*SAMPLES.iterdir(), *PUBLIC)
    for path in (top.iterdir() if top.name in FOLDERS else [top])
    if path.is_dir()
]
NOT_HERE = pytest.param(
    REAL, None, marks=pytest.mark.skip(reason=f"the public checkpoints are not here ({REAL})")
)
FILES = {"keras3_transformer": "transformer_model.keras"}  # two checkpoints stand in the folder
WITHOUT_NETWORK = {"lstm_1"}
# layers, and of the random networks how many, where the two are known to be apart
KNOWN = {
    "bert_tiny": 1,
    "cartpole_actor_keras": 2,
    "deepq_layernorm": 1,
    "keras3_transformer": 2,
    "wild": 73,
}


def held(network: Network, pair: Pair) -> int:
    """How many numbers of a pair's bias, gamma and beta have to be known, in any network."""
    dense = pair.dense and network.producer(pair.dense.name)
    norm = network.producer(pair.norm.name)
    assert norm is None or isinstance(norm, Norm)
    bias = dense.bias if isinstance(dense, Dense) else None
    count = 0
    if bias is not None and bias.array.any():
        known = isinstance(norm, LayerNorm) and pair.context is Context.DENSE
        count = bias.array.size - int(known and offset(bias.array.ravel()) <= 1)
    return count + said(norm and norm.gamma, (-1, 0, 1)) + said(norm and norm.beta, (0,))


def said(parameter: Parameter | None, nothing: tuple[int, ...]) -> int:
    """How many of its numbers are none of those that say nothing."""
    if parameter is None:
        return 0
    return int((~np.isin(parameter.array.astype(np.float64), nothing)).sum())


def folds(path: Path, settings: Settings | None) -> Iterator[tuple[Network, Folded | None]]:
    """Every network of a checkpoint, as it is and as it is folded, or not."""
    with open_checkpoint(path / FILES.get(path.name, "")) as checkpoint:
        recovery: Recovery = recover(checkpoint, settings)
        able = any(runnable_part(one) is not None for one in recovery.networks)
        folded = (
            fold_chosen(checkpoint, recovery, recovery.networks, Choice(assume=True))
            if able
            else ()
        )
        by_name = {one.original.name: one for one in folded}
        for network in recovery.networks:
            yield network, by_name.get(network.name)


def apart(network: Network, folded: Folded | None) -> list[tuple[str, int, int, int]]:
    """The layers of which a report says something else than the fold, or than what it wrote."""
    found = []
    for number, relation in enumerate(relate(network, None)):
        absorbed, total = relation.numbers
        if folded is None:
            certified = standing = total
        else:
            certified = folded.left[number].after
            standing = held(folded.network, relation.pair)
        if not total - absorbed == certified == standing:
            found.append((relation.pair.norm.name, total - absorbed, certified, standing))
    return found


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        *((path, None) for path in sorted(PLACES)),
        *((SAMPLES / name, one) for name, one in GIVEN.items()),
        *([] if PUBLIC else [NOT_HERE]),
    ],
    ids=lambda one: getattr(one, "name", "given" if one else "found"),
)
def test_a_report_promises_what_a_fold_does(path: Path, settings: Settings | None) -> None:
    """Layer by layer: how many numbers are left, as told, as certified and as they stand."""
    networks = list(folds(path, settings))
    differing = [one for network, folded in networks for one in apart(network, folded)]
    assert networks or path.name in WITHOUT_NETWORK
    known = 0 if settings else KNOWN.get(path.name, 0)
    assert len(differing) == known, differing


def test_a_report_promises_what_a_fold_does_to_networks_of_any_wiring() -> None:
    """The same of the random networks on which folding itself is tested."""
    layers = differing = 0
    for seed in SEEDS:
        network = wild_network(seed)
        folded = fold(network)
        layers += len(folded.left)
        differing += bool(apart(network, folded))
    assert layers > 200
    assert differing == KNOWN["wild"]
