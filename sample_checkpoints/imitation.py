"""Teach a network to act as the cart-pole's controller does, in states that the network itself
brings about.

A learner that only ever sees the controller's own smooth runs never learns to mend its own
mistakes. So each round drives the cart by a mixture of the two, the controller's share of the
steps shrinking from round to round, asks the controller what it would have done at every
observation on the way, and fits the network to all answers gathered so far.

Source: Ross, Gordon & Bagnell, "A reduction of imitation learning and structured prediction to
no-regret online learning" (DAgger), AISTATS 2011, algorithm 3.1.

The module runs on Python 3.7, where TensorFlow 1.15 lives, as well as on every later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cart_pole import ANGLE_LIMIT, TRACK_LIMIT, controller, observe, random_states, simulate

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cart_pole import Floats, Policy
    from numpy.typing import NDArray

    Fit = Callable[[NDArray[np.float32], NDArray[np.float32]], Any]

ROUNDS = 12
RUNS = 64  # in each round
SECONDS = 5.0  # of each run
CONTROLLER_SHARE = 0.7  # of the steps of the second round; its square in the third, and so on
WIDEN = 1.6  # how much wider than in a test the runs begin, so that the edges are learnt too


def visited(policy: Policy, states: Floats, seconds: float) -> NDArray[np.float32]:
    """The observations [steps, 5] that a policy meets, without those far beyond rescue."""
    path = simulate(policy, states, seconds).reshape(-1, 4)
    in_reach = (np.abs(path[:, 0]) < 1.25 * TRACK_LIMIT) & (np.abs(path[:, 2]) < 1.25 * ANGLE_LIMIT)
    return observe(path[in_reach])


def imitate(fit: Fit, policy: Policy, seed: int) -> None:
    """Run ROUNDS rounds of driving, asking and fitting.

    Args:
        fit: trains the network on observations [steps, 5] and the controller's actions [steps, 1].
        policy: the network as it stands, from observations [runs, 5] to actions [runs, 1].
        seed: of the starts and of who drives at which step.
    """
    random = np.random.RandomState(seed)
    gathered = []
    for number in range(ROUNDS):
        share = CONTROLLER_SHARE**number

        def mixture(observations: NDArray[np.float32], share: float = share) -> Floats:
            by_controller = random.uniform(size=(len(observations), 1)) < share
            return np.where(by_controller, controller(observations), policy(observations))

        starts = random_states(RUNS, seed + number, WIDEN)
        gathered.append(visited(mixture, starts, SECONDS))
        observations = np.concatenate(gathered)
        fit(observations, controller(observations).astype(np.float32))


def drawn_batches(
    observations: Floats, actions: Floats, batches: int, size: int, seed: int
) -> tuple[Floats, Floats]:
    """Drawn with replacement: observations [batches, size, 5] and actions [batches, size, 1]."""
    rows = np.random.RandomState(seed).randint(len(observations), size=(batches, size))
    return observations[rows], actions[rows]


def expected_inputs(policy: Policy, seed: int, count: int = 256) -> NDArray[np.float32]:
    """`count` observations [count, 5] out of the first two seconds of a trained policy's runs.

    Later ones are all alike: the pole stands still.
    """
    met = visited(policy, random_states(RUNS, seed), seconds=2.0)
    return met[np.random.RandomState(seed).choice(len(met), count, replace=False)]
