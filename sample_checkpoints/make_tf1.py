"""Make `cartpole_actor` and `cartpole_actor_batchnorm` with genuine TensorFlow 1.15.

Run it as `python make_tf1.py --output FOLDER`.

The code keeps to Python 3.7, the last one that TensorFlow 1.15 runs on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from cart_pole import balances, random_states
from imitation import drawn_batches, expected_inputs, imitate
from tensorflow.contrib.layers import layer_norm

if TYPE_CHECKING:
    from typing import Any

    from cart_pole import Floats, Policy

SEED = 2018
STEPS_PER_ROUND = 1000
BATCH = 256
LEARNING_RATE = 4e-3
HALVED_EVERY = 3000  # steps


def normalised_by_layer(hidden: Any, training: bool) -> Any:
    """contrib's layer norm: its epsilon is 1e-12 and cannot be chosen."""
    return layer_norm(hidden, center=True, scale=True)


def normalised_by_batch(hidden: Any, training: bool) -> Any:
    """TensorFlow's batch norm with its defaults: epsilon 1e-3, momentum 0.99."""
    return tf.layers.batch_normalization(hidden, training=training)


def actor(observations: Any, normalised: Any, training: bool) -> Any:
    """dense 64, norm, relu, dense 64, norm, relu, dense 1, tanh: [runs, 5] to [runs, 1]."""
    hidden = observations
    with tf.variable_scope("actor"):
        for _ in range(2):
            hidden = tf.layers.dense(hidden, 64)
            hidden = normalised(hidden, training)
            hidden = tf.nn.relu(hidden)
        small = tf.random_uniform_initializer(minval=-3e-3, maxval=3e-3)
        return tf.nn.tanh(tf.layers.dense(hidden, 1, kernel_initializer=small))


def one_threaded_session() -> Any:
    """A session whose sums always run in the same order, so that a seed gives the same bits."""
    one = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    return tf.Session(config=one)


def running(session: Any, obs0: Any, action: Any) -> Policy:
    """The actor in a session, as a policy."""
    return lambda observations: session.run(action, {obs0: observations})


def train(normalised: Any, folder: str) -> str:
    """Train an actor, save it with its optimizer into `folder`, and return the prefix."""
    with tf.Graph().as_default(), one_threaded_session() as session:
        tf.set_random_seed(SEED)
        obs0 = tf.placeholder(tf.float32, [None, 5], name="obs0")
        wanted = tf.placeholder(tf.float32, [None, 1], name="wanted_action")
        action = actor(obs0, normalised, training=True)
        loss = tf.reduce_mean(tf.squared_difference(action, wanted))
        steps_done = tf.train.get_or_create_global_step()
        rate = tf.train.exponential_decay(LEARNING_RATE, steps_done, HALVED_EVERY, 0.5)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            learn = tf.train.AdamOptimizer(rate).minimize(loss, global_step=steps_done)
        # The driver of the rounds must be the network as it will be deployed: with batch norm that
        # is another reading of the same variables, with layer norm it is the same graph.
        deployed = action
        if normalised is normalised_by_batch:
            with tf.variable_scope(tf.get_variable_scope(), reuse=True):
                deployed = actor(obs0, normalised, training=False)
        saver = tf.train.Saver(max_to_keep=1, save_relative_paths=True)
        session.run(tf.global_variables_initializer())
        session.graph.finalize()

        def fit(observations: Floats, actions: Floats) -> None:
            seed = int(session.run(steps_done))
            inputs, answers = drawn_batches(observations, actions, STEPS_PER_ROUND, BATCH, seed)
            for batch in range(STEPS_PER_ROUND):
                feed = {obs0: inputs[batch], wanted: answers[batch]}
                _, error = session.run([learn, loss], feed)
            print(f"{len(observations):6d} observations, last loss {error:.2e}")

        imitate(fit, running(session, obs0, deployed), SEED)
        return str(saver.save(session, os.path.join(folder, "actor.ckpt"), global_step=steps_done))


def deploy(prefix: str, normalised: Any, folder: str) -> str:
    """Rebuild the actor for inference in a graph of its own, restore it, and save just that."""
    with tf.Graph().as_default(), one_threaded_session() as session:
        obs0 = tf.placeholder(tf.float32, [None, 5], name="obs0")
        actor(obs0, normalised, training=False)
        saver = tf.train.Saver(max_to_keep=1, save_relative_paths=True)
        saver.restore(session, prefix)
        return str(saver.save(session, os.path.join(folder, "actor.ckpt")))


def write_expected(prefix: str, folder: str) -> None:
    """Run the graph that was saved, not the one that was built, and keep what it answers."""
    with tf.Graph().as_default(), one_threaded_session() as session:
        tf.train.import_meta_graph(prefix + ".meta").restore(session, prefix)
        policy = running(session, "obs0:0", "actor/Tanh:0")
        inputs = expected_inputs(policy, SEED)
        expected = os.path.join(folder, "expected_actor.npz")
        np.savez(expected, inputs=inputs, outputs=policy(inputs))
        kept = balances(policy, random_states(1000, seed=0))
        print(f"{folder}: balances {kept:.1%} of 1000 starts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, help="folder that receives one folder each")
    output = parser.parse_args().output
    tf.logging.set_verbosity(tf.logging.ERROR)

    folder = os.path.join(output, "cartpole_actor")
    os.makedirs(folder, exist_ok=True)
    write_expected(train(normalised_by_layer, folder), folder)

    folder = os.path.join(output, "cartpole_actor_batchnorm")
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        prefix = deploy(train(normalised_by_batch, scratch), normalised_by_batch, folder)
    write_expected(prefix, folder)


if __name__ == "__main__":
    main()
