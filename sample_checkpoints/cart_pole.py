"""A cart that balances a pole: the task of the sample checkpoints, in plain NumPy.

A cart of mass m_c runs along a level track. On it stands, on a hinge, a uniform pole of mass m_p
and length 2l. Nothing rubs. x is the place of the cart, theta the angle of the pole with
theta = 0 upright, F the force on the cart. With M = m_c + m_p,

    theta'' = (g sin theta - cos theta (F + m_p l theta'^2 sin theta) / M)
              / (l (4/3 - m_p cos^2 theta / M))
    x''     = (F + m_p l (theta'^2 sin theta - theta'' cos theta)) / M

A state is (x, x', theta, theta') in metres, seconds and radians; an observation is
(x, x', sin theta, cos theta, theta'); an action is F / FORCE_LIMIT, from -1 to 1. A policy is
any function from observations [runs, 5] float32 to actions [runs, 1].

Sources: the task and its constants, Barto, Sutton & Anderson, "Neuronlike adaptive elements that
can solve difficult learning control problems", IEEE Transactions on Systems, Man and Cybernetics
SMC-13 (1983), 834-846; the equations, Florian, "Correct equations for the dynamics of the
cart-pole system" (2007), (23) and (24) with no friction.

The module runs on Python 3.7, where TensorFlow 1.15 lives, as well as on every later one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # numpy.typing is younger than the last NumPy that TensorFlow 1.15 accepts
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Policy = Callable[[NDArray[np.float32]], Floats]

GRAVITY = 9.8  # m/s^2
CART_MASS = 1.0  # kg
POLE_MASS = 0.1  # kg
POLE_HALF_LENGTH = 0.5  # m
FORCE_LIMIT = 10.0  # N
TIME_STEP = 0.02  # s, during which the force is constant

TRACK_LIMIT = 2.4  # m to either side of the middle
ANGLE_LIMIT = np.radians(45)  # past it the pole counts as fallen

START_LIMITS = (1.0, 0.5, 0.25, 0.5)  # m, m/s, rad, rad/s: where the runs of a test begin

STATE_COST = (1.0, 0.1, 10.0, 0.1)  # per m^2, (m/s)^2, rad^2, (rad/s)^2
ACTION_COST = 1.0  # of a full push, for one time step


def rates(states: Floats, force: Floats) -> Floats:
    """The time derivative (x', x'', theta', theta'') of each state.

    Args:
        states: [runs, 4].
        force: [runs], in newtons.

    Returns:
        [runs, 4] float64: the two equations at the top of this file.
    """
    _, velocity, angle, spin = np.asarray(states, np.float64).T
    mass = CART_MASS + POLE_MASS
    sine, cosine = np.sin(angle), np.cos(angle)
    push = (force + POLE_MASS * POLE_HALF_LENGTH * spin**2 * sine) / mass
    inertia = POLE_HALF_LENGTH * (4 / 3 - POLE_MASS * cosine**2 / mass)
    spin_rate = (GRAVITY * sine - cosine * push) / inertia
    velocity_rate = push - POLE_MASS * POLE_HALF_LENGTH * spin_rate * cosine / mass
    return np.stack([velocity, velocity_rate, spin, spin_rate], axis=1)


def step(states: Floats, actions: Floats) -> Floats:
    """The states one TIME_STEP later, by the classical Runge-Kutta method.

    Args:
        states: [runs, 4].
        actions: [runs, 1]; what lies beyond -1 or 1 is clipped, as a motor would.

    Returns:
        [runs, 4] float64.
    """
    force = FORCE_LIMIT * np.clip(np.asarray(actions, np.float64)[:, 0], -1, 1)
    k1 = rates(states, force)
    k2 = rates(states + TIME_STEP / 2 * k1, force)
    k3 = rates(states + TIME_STEP / 2 * k2, force)
    k4 = rates(states + TIME_STEP * k3, force)
    return states + TIME_STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def observe(states: Floats) -> NDArray[np.float32]:
    """What a policy sees of states [runs, 4]: (x, x', sin theta, cos theta, theta'), [runs, 5]."""
    place, velocity, angle, spin = states.T
    return np.stack([place, velocity, np.sin(angle), np.cos(angle), spin], 1).astype(np.float32)


@lru_cache(maxsize=1)
def controller_gain() -> Floats:
    """The gain K [4] of the linear-quadratic regulator: action = -K · state.

    A and B are the derivatives of one `step` at rest upright, by central differences. K belongs to
    the fixed point P of the Riccati equation, found by iteration:

        K = (R + B'PB)^-1 B'PA,    P = Q + A'P(A - BK)
    """
    nudge = 1e-5
    nudges = nudge * np.eye(4)
    idle = np.zeros((4, 1))
    a = (step(nudges, idle) - step(-nudges, idle)).T / (2 * nudge)
    rest = np.zeros((1, 4))
    push = np.full((1, 1), nudge)
    b = (step(rest, push) - step(rest, -push)).T / (2 * nudge)

    q = np.diag(STATE_COST)
    p = q
    while True:
        gain = (b.T @ p @ a) / (ACTION_COST + b.T @ p @ b)
        following = q + a.T @ p @ (a - b @ gain)
        if np.allclose(following, p, rtol=1e-12, atol=0):
            return np.asarray(gain[0])
        p = following


def controller(observations: Floats) -> Floats:
    """The policy that the samples imitate: clip(-K · state, -1, 1), [runs, 1] float64."""
    place, velocity, sine, cosine, spin = np.asarray(observations, np.float64).T
    states = np.stack([place, velocity, np.arctan2(sine, cosine), spin], axis=1)
    return np.clip(-states @ controller_gain()[:, None], -1, 1)


def random_states(runs: int, seed: int, widen: float = 1.0) -> Floats:
    """States [runs, 4] drawn evenly from the box ±widen · START_LIMITS."""
    limits = widen * np.asarray(START_LIMITS)
    return np.random.RandomState(seed).uniform(-limits, limits, (runs, 4))


def simulate(policy: Policy, states: Floats, seconds: float) -> Floats:
    """The states that a policy drives through, [steps + 1, runs, 4] float64.

    Args:
        policy: from observations [runs, 5] float32 to actions [runs, 1].
        states: where each run begins, [runs, 4].
        seconds: how long it lasts.
    """
    path: list[Floats] = [np.asarray(states, np.float64)]
    for _ in range(round(seconds / TIME_STEP)):
        path.append(step(path[-1], policy(observe(path[-1]))))
    return np.stack(path)


def balances(policy: Policy, states: Floats, seconds: float = 10.0) -> float:
    """The fraction of runs that never leave the track nor let the pole fall.

    A run fails once |x| > TRACK_LIMIT or |theta| > ANGLE_LIMIT. With no push at all every run that
    begins off balance fails: the pole's own time constant is about 0.25 s.

    Args:
        policy: from observations [runs, 5] float32 to actions [runs, 1].
        states: where each run begins, [runs, 4]; see `random_states`.
        seconds: how long a run must hold out.
    """
    path = simulate(policy, states, seconds)
    kept = (np.abs(path[..., 0]) <= TRACK_LIMIT) & (np.abs(path[..., 2]) <= ANGLE_LIMIT)
    return float(np.mean(kept.all(axis=0)))
