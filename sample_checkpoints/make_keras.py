"""Make `cartpole_actor_keras` with TensorFlow 2 and Keras 3.

Run it as `python make_keras.py --output FOLDER`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from cart_pole import balances, random_states
from imitation import ROUNDS, drawn_batches, expected_inputs, imitate

if TYPE_CHECKING:
    from cart_pole import Floats, Policy

SEED = 2018
STEPS_PER_ROUND = 1000
BATCH = 256
LEARNING_RATE = 4e-3
HALVED_EVERY = 3000  # steps


def actor() -> keras.Model:
    """dense 64, norm, relu, dense 64, norm, relu, dense 1, tanh: [runs, 5] to [runs, 1].

    Every operation is a layer of its own. LayerNormalization keeps Keras' epsilon, 1e-3.
    """
    observations = hidden = keras.Input((5,), name="obs0")
    for _ in range(2):
        hidden = keras.layers.Dense(64)(hidden)
        hidden = keras.layers.LayerNormalization()(hidden)
        hidden = keras.layers.Activation("relu")(hidden)
    small = keras.initializers.RandomUniform(-3e-3, 3e-3)
    action = keras.layers.Dense(1, kernel_initializer=small)(hidden)
    action = keras.layers.Activation("tanh")(action)
    return keras.Model(observations, action, name="actor")


def running(model: keras.Model) -> Policy:
    """The actor as a policy, traced once for batches of any size."""
    observations = tf.TensorSpec([None, 5], tf.float32)
    traced = tf.function(lambda batch: model(batch, training=False), input_signature=[observations])
    return lambda batch: traced(tf.constant(batch)).numpy()


def train(model: keras.Model) -> None:
    """Train an actor in place."""
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, HALVED_EVERY, 0.5)
    model.compile(keras.optimizers.Adam(rate), loss="mean_squared_error")
    seeds = iter(range(ROUNDS))

    def fit(observations: Floats, actions: Floats) -> None:
        batches = drawn_batches(observations, actions, STEPS_PER_ROUND, BATCH, next(seeds))
        inputs, outputs = (array.reshape(-1, array.shape[-1]) for array in batches)
        history = model.fit(inputs, outputs, batch_size=BATCH, shuffle=False, verbose=0)
        error = history.history["loss"][-1]
        print(f"{len(observations):6d} observations, mean loss {error:.2e}")

    imitate(fit, running(model), SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, type=Path, help="folder for its folder")
    folder = parser.parse_args().output / "cartpole_actor_keras"
    folder.mkdir(parents=True, exist_ok=True)

    # One thread and no racing sums, so that a seed gives the same bits.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(SEED)

    trained = actor()
    train(trained)
    # A compiled model takes its optimizer along, under model/optimizer.
    prefix = tf.train.Checkpoint(model=trained).write(str(folder / "actor"))

    # What the files hold is the reference, not the model in memory.
    reloaded = actor()
    status = tf.train.Checkpoint(model=reloaded).read(prefix)
    status.assert_existing_objects_matched().expect_partial()
    policy = running(reloaded)
    inputs = expected_inputs(policy, SEED)
    np.savez(folder / "expected_actor.npz", inputs=inputs, outputs=policy(inputs))
    print(f"{folder}: balances {balances(policy, random_states(1000, seed=0)):.1%} of 1000 starts")


if __name__ == "__main__":
    main()
