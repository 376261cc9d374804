"""Moving averages of variables are networks of their own, judged by TensorFlow's own restoring."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import UsageError
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Network
from lnfold.network.running.run import run
from lnfold.recovery.names.scopes import VariableRole, variable_roles
from lnfold.recovery.recover import Recovery, recover
from tests.conftest import Outcome

Command = Callable[..., Outcome]
LIMIT = 1e-5  # float32 sums of 16 numbers of size 1


@dataclass
class Trained:
    """A policy with a BatchNorm between its layers, after 20 steps; and its restorers.

    Attributes:
        savers: by what they restore; "averages" is ``Saver(ema.variables_to_restore())``.
    """

    tf: Any
    session: Any
    inputs: Any
    output: Any
    rows: np.ndarray
    savers: dict[str, Any] = field(default_factory=dict)

    def restored(self, prefix: Path, saver: str = "plain") -> np.ndarray:
        """What TensorFlow's own graph delivers after a saver has restored a checkpoint."""
        self.savers[saver].restore(self.session, str(prefix))
        return np.asarray(self.session.run(self.output, {self.inputs: self.rows}))


@pytest.fixture
def graph(tensorflow: ModuleType) -> Iterator[Any]:
    v1 = tensorflow.compat.v1
    with v1.Graph().as_default():
        v1.set_random_seed(3)
        yield v1


def dense(v1: Any, value: Any, units: int, scope: str, getter: Any = None) -> Any:
    with v1.variable_scope(scope, reuse=getter is not None, custom_getter=getter):
        kernel = v1.get_variable("kernel", [value.shape[1], units])
        bias = v1.get_variable("bias", [units], initializer=v1.random_normal_initializer())
        return v1.nn.bias_add(v1.matmul(value, kernel), bias)


def batch_norm(v1: Any, value: Any, scope: str, getter: Any = None) -> Any:
    """With stored statistics, as it stands for inference."""
    with v1.variable_scope(scope, reuse=getter is not None, custom_getter=getter):
        near_one = v1.random_uniform_initializer(0.5, 1.5)
        units = [int(value.shape[1])]
        gamma = v1.get_variable("gamma", units, initializer=near_one)
        beta = v1.get_variable("beta", units, initializer=v1.random_normal_initializer())
        mean = v1.get_variable(
            "moving_mean", units, initializer=v1.random_normal_initializer(), trainable=False
        )
        variance = v1.get_variable("moving_variance", units, initializer=near_one, trainable=False)
        return v1.nn.batch_normalization(value, mean, variance, beta, gamma, 1e-3)


def policy(v1: Any, inputs: Any, getter: Any = None) -> Any:
    with v1.variable_scope("policy"):
        hidden = batch_norm(v1, dense(v1, inputs, 16, "fc1", getter), "bn1", getter)
        return v1.tanh(dense(v1, v1.nn.relu(hidden), 2, "out", getter), name="action")


def trained(
    v1: Any,
    *,
    scope: str = "",
    name: str = "ExponentialMovingAverage",
    averages_first: bool = False,
    average_twice: bool = False,
    own_graph: bool = False,
) -> Trained:
    inputs = v1.placeholder(v1.float32, [None, 5], "observation")
    output = policy(v1, inputs)
    loss = v1.reduce_mean(v1.square(output - v1.tanh(inputs[:, :2])))
    step = v1.train.AdamOptimizer(0.05).minimize(loss)
    kept = [v1.train.ExponentialMovingAverage(0.9, name=name)]
    if average_twice:
        kept.append(v1.train.ExponentialMovingAverage(0.5))
    with v1.control_dependencies([step]):
        if scope:
            with v1.variable_scope(scope):
                updates = [one.apply(v1.trainable_variables()) for one in kept]
        else:
            updates = [one.apply(v1.trainable_variables()) for one in kept]
    if own_graph:

        def averaged(getter: Any, name: str, *args: Any, **given: Any) -> Any:
            variable = getter(name, *args, **given)
            return kept[0].average(variable) if "moving" not in name else variable

        policy(v1, inputs, averaged)
    savers = {}
    if averages_first:
        savers["averages"] = v1.train.Saver(kept[0].variables_to_restore())
    savers["plain"] = v1.train.Saver()
    if not averages_first:
        savers["averages"] = v1.train.Saver(kept[0].variables_to_restore())
    session = v1.Session()
    session.run(v1.global_variables_initializer())
    rows = np.random.default_rng(0).standard_normal((32, 5)).astype(np.float32)
    for _ in range(20):
        session.run(updates, {inputs: rows})
    return Trained(v1, session, inputs, output, rows, savers)


def found(prefix: Path, **said: Any) -> Recovery:
    with open_checkpoint(str(prefix)) as checkpoint:
        return recover(checkpoint, Settings(**said))


def delivered(network: Network, rows: np.ndarray) -> np.ndarray:
    (only,) = network.inputs
    return run(network, {only.name: rows}, np.float64)[network.outputs[0]]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"scope": "train"},
        {"name": "ema"},
        {"averages_first": True},
        {"own_graph": True},
    ],
    ids=lambda how: "plain" if not how else next(iter(how)),
)
def test_both_networks_deliver_what_their_savers_restore(graph: Any, tmp_path: Path, how: Any):
    """The raw and the averaged one, wherever the averages stand and whatever they are called."""
    net = trained(graph, **how)
    prefix = tmp_path / "model.ckpt"
    net.savers["plain"].save(net.session, str(prefix))

    recovery = found(prefix)

    raw, averaged = recovery.networks
    assert (raw.name, averaged.name) == ("policy", "policy/moving_average")
    plain, averages = net.restored(prefix), net.restored(prefix, "averages")
    assert np.abs(plain - averages).max() > 1000 * LIMIT  # they could have been mistaken
    assert np.abs(delivered(raw, net.rows) - plain).max() < LIMIT
    assert np.abs(delivered(averaged, net.rows) - averages).max() < LIMIT
    assert set(recovery.shared) == {"policy/bn1/moving_mean", "policy/bn1/moving_variance"}
    assert any("which weights does deployment use?" in note for note in recovery.notes)


@pytest.mark.parametrize("averages_first", [True, False])
def test_tensorflow_is_asked_for_the_network_that_is_meant(
    graph: Any, tmp_path: Path, lnfold: Command, averages_first: bool
):
    """The averages are fed in the variables' places, whichever saver stands first."""
    net = trained(graph, averages_first=averages_first)
    prefix = tmp_path / "model.ckpt"
    net.savers["plain"].save(net.session, str(prefix))

    for said in ((), ("--averages",)):
        outcome = lnfold("check", prefix, "--against", "tensorflow", *said)
        assert outcome.code == 0, outcome.out
        assert outcome.out.count("agrees") == 2


def test_averages_go_by_the_name_of_the_network_where_they_are_asked_for(
    graph: Any, tmp_path: Path
):
    """``--averages`` swaps the names, and says so."""
    net = trained(graph)
    prefix = tmp_path / "model.ckpt"
    net.savers["plain"].save(net.session, str(prefix))

    recovery = found(prefix, averages=True)

    assert {one.name for one in recovery.networks} == {"policy", "policy/not_averaged"}
    expected = net.restored(prefix, "averages")
    assert np.abs(delivered(recovery.named("policy"), net.rows) - expected).max() < LIMIT
    assert any("as --averages says" in note for note in recovery.notes)


def test_outputs_are_held_against_the_version_that_was_asked_for(
    graph: Any, tmp_path: Path, lnfold: Command
):
    """Given or saved outputs are of one of the two; the other is named, and taken by its name."""
    net = trained(graph)
    prefix = tmp_path / "model.ckpt"
    net.savers["plain"].save(net.session, str(prefix))
    raw, averaged = tmp_path / "raw.npz", tmp_path / "averaged.npz"
    np.savez(raw, observation=net.rows, outputs=net.restored(prefix))
    np.savez(averaged, observation=net.rows, outputs=net.restored(prefix, "averages"))
    expected = ("--against", "expected", "--inputs")
    other = "policy/moving_average"
    cases: list[tuple[tuple[Any, ...], int, str]] = [
        ((*expected, raw), 0, other),
        ((*expected, averaged), 1, other),
        ((*expected, averaged, "--averages"), 0, "policy/not_averaged"),
        ((*expected, raw, "--averages"), 1, "policy/not_averaged"),
        ((*expected, averaged, "--network", other), 0, ""),
        ((*expected, raw, "--averages", "--network", "policy/not_averaged"), 0, ""),
        (("--save", tmp_path / "saved.npz"), 0, other),
        ((tmp_path / "saved.npz",), 0, other),
    ]

    for said, code, left_out in cases:
        outcome = lnfold("check", prefix, *said, "--json")
        judged = list(json.loads(outcome.out)["networks"])
        assert (outcome.code, len(judged)) == (code, 1), said
        assert outcome.err.startswith(f"{left_out} is not compared") if left_out else True
        assert left_out not in judged


@pytest.mark.parametrize("beside", [True, False], ids=["graph", "names"])
def test_a_file_of_averages_alone_is_a_network(graph: Any, tmp_path: Path, beside: bool):
    """What ``Saver(ema.variables_to_restore())`` writes, with a graph beside it and without."""
    net = trained(graph)
    prefix = tmp_path / "averages.ckpt"
    net.savers["averages"].save(net.session, str(prefix), write_meta_graph=beside)

    said = {
        "order": Order.DENSE_NORM_ACT,
        "epsilon": 1e-3,
        "activation": "relu",
        "output_activation": "tanh",
    }
    recovery = found(prefix, **({} if beside else said))

    (network,) = recovery.networks
    assert network.name == "policy/moving_average"
    expected = net.restored(prefix, "averages")
    assert np.abs(delivered(network, net.rows) - expected).max() < LIMIT
    assert recovery.unused == ()


def test_each_of_several_averages_is_a_network(graph: Any, tmp_path: Path):
    """Two decays kept side by side are not mixed."""
    net = trained(graph, average_twice=True)
    prefix = tmp_path / "model.ckpt"
    net.savers["plain"].save(net.session, str(prefix))

    recovery = found(prefix)

    names = [one.name for one in recovery.networks]
    assert names == ["policy", "policy/moving_average", "policy/moving_average_2"]
    slow, quick = (delivered(one, net.rows) for one in recovery.networks[1:])
    assert np.abs(slow - net.restored(prefix, "averages")).max() < LIMIT
    assert np.abs(slow - quick).max() > 100 * LIMIT
    assert not any(
        {"ExponentialMovingAverage", "ExponentialMovingAverage_1"}
        <= {name.rpartition("/")[2] for name in one.variables()}
        for one in recovery.networks
    )


@pytest.mark.parametrize("only", [None, "policy", "policy/moving_average"])
def test_a_fold_changes_the_outputs_of_neither_restoring(
    graph: Any, tmp_path: Path, lnfold: Command, only: str | None
):
    """Statistics that averages share with the variables change for both alike, or not at all."""
    net = trained(graph)
    prefix, folded = tmp_path / "model.ckpt", tmp_path / "folded" / "model.ckpt"
    net.savers["plain"].save(net.session, str(prefix))
    before = {how: net.restored(prefix, how) for how in net.savers}

    chosen = () if only is None else ("--network", only)
    outcome = lnfold("fold", prefix, "--output", folded, *chosen)

    assert outcome.code == 0, outcome.err
    for how, expected in before.items():
        assert np.abs(net.restored(folded, how) - expected).max() < LIMIT
    with open_checkpoint(str(prefix)) as old, open_checkpoint(str(folded)) as new:
        changed = {name for name in old if not np.array_equal(old[name].read(), new[name].read())}
    if only is None:
        assert "policy/bn1/moving_mean" in changed  # and it did fold
    else:
        assert not any("moving_" in name for name in changed if "Exponential" not in name)


def test_averages_are_asked_for_in_vain_where_there_are_none(graph: Any, tmp_path: Path):
    """An option that changes nothing is not passed over in silence."""
    inputs = graph.placeholder(graph.float32, [None, 5], "observation")
    policy(graph, inputs)
    with graph.Session() as session:
        session.run(graph.global_variables_initializer())
        graph.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    with pytest.raises(UsageError, match="no moving averages"):
        found(tmp_path / "model.ckpt", averages=True)


def test_the_averages_of_keras_and_of_slots_are_told_from_momenta(tensorflow: ModuleType):
    """``use_ema`` writes adam/fc1_kernel_average; TF-Addons a slot called average."""

    @dataclass
    class Held:
        name: str
        shape: tuple[int, ...]
        key: str = ""
        dtype: str = "float32"

    roles = variable_roles(
        [
            Held("fc1/kernel", (3, 4)),
            Held("adam/fc1_kernel_average", (3, 4)),
            Held("adam/fc1_kernel_momentum", (3, 4)),
            Held("fc1/kernel/average", (3, 4), "m/.OPTIMIZER_SLOT/optimizer/average"),
            Held("fc1/kernel/m", (3, 4), "m/.OPTIMIZER_SLOT/optimizer/m"),
        ]
    )

    averages = {name for name, role in roles.items() if role is VariableRole.MOVING_AVERAGE}
    assert averages == {"adam/fc1_kernel_average", "fc1/kernel/average"}
    assert roles["fc1/kernel/m"] is VariableRole.OPTIMIZER_SLOT


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("suffix", ["ckpt", "h5", "keras"])
def test_the_averages_of_a_keras_optimizer_are_a_network(
    tensorflow: ModuleType, tmp_path: Path, suffix: str
):
    """Epochs end with the variables overwritten by the averages; within one they differ."""
    keras = pytest.importorskip("keras")
    inputs = keras.Input((5,), name="observation")
    hidden = keras.layers.ReLU()(keras.layers.Dense(8, name="fc1")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(hidden), name="net")
    model.compile(keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9), "mse")
    rows = np.random.default_rng(1).standard_normal((16, 5)).astype(np.float32)
    for _ in range(5):
        model.train_on_batch(rows, rows[:, :2])
    path = str(tmp_path / f"model.{suffix}")
    if suffix == "ckpt":
        tensorflow.train.Checkpoint(model=model, optimizer=model.optimizer).write(path)
    else:
        model.save(path)

    networks = found(Path(path), activation="relu", output_activation="identity").networks

    raw, averaged = networks
    raw_outputs = model(rows).numpy()
    assert np.abs(delivered(raw, rows) - raw_outputs).max() < LIMIT
    model.optimizer.finalize_variable_values(model.trainable_variables)
    expected = model(rows).numpy()
    assert np.abs(expected - raw_outputs).max() > 100 * LIMIT
    assert averaged.name.endswith("/moving_average")
    assert np.abs(delivered(averaged, rows) - expected).max() < LIMIT


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("use_ema", [True, False])
def test_the_numbered_averages_of_an_archive_are_told_by_the_order_of_layers(
    tensorflow: ModuleType, tmp_path: Path, use_ema: bool
):
    """Equal widths, layers made in another order than they run, one frozen, BatchNorm between."""
    keras = pytest.importorskip("keras")
    made = {name: keras.layers.Dense(6, name=name) for name in ("c", "a", "b")}
    norms = {name: keras.layers.BatchNormalization(name=name) for name in ("second", "first")}
    made["b"].trainable = False
    value = inputs = keras.Input((6,))
    for name, norm in (("a", norms["first"]), ("b", norms["second"]), ("c", None)):
        value = made[name](value)
        value = keras.layers.ReLU()(norm(value)) if norm else value
    model = keras.Model(inputs, value)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, use_ema=use_ema, ema_momentum=0.5), "mse")
    rows = np.random.default_rng(2).standard_normal((16, 6)).astype(np.float32)
    for _ in range(5):
        model.train_on_batch(rows, rows)
    path = tmp_path / "model.keras"
    model.save(str(path))

    networks = found(path).networks

    assert len(networks) == 1 + use_ema  # momenta of the same shapes are no averages
    plain = model(rows).numpy()
    assert np.abs(delivered(networks[0], rows) - plain).max() < LIMIT
    if use_ema:
        model.optimizer.finalize_variable_values(model.trainable_variables)
        expected = model(rows).numpy()
        assert np.abs(expected - plain).max() > 100 * LIMIT
        assert np.abs(delivered(networks[1], rows) - expected).max() < LIMIT


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize(
    ("optimizer", "averages"),
    [
        ("Adam", True),
        ("SGD", True),
        ("Adam", False),
        ("SGD", False),
    ],
)
def test_averages_that_nothing_names_are_said_not_to_be_used(
    tensorflow: ModuleType, tmp_path: Path, optimizer: str, averages: bool, sharded: bool
):
    """In a file of weights alone they have numbers, like momenta; --averages cannot tell them."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    inputs = keras.Input((5,), name="observation")
    hidden = keras.layers.ReLU()(keras.layers.Dense(8, name="fc1")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(4, name="out")(hidden), name="net")
    more = {"momentum": 0.9} if optimizer == "SGD" else {}
    made = getattr(keras.optimizers, optimizer)(0.01, use_ema=averages, ema_momentum=0.9, **more)
    model.compile(made, "mse")
    rows = np.random.default_rng(1).standard_normal((16, 5)).astype(np.float32)
    for _ in range(10):
        model.train_on_batch(rows, rows[:, :4])
    path = tmp_path / ("model.weights.json" if sharded else "model.weights.h5")
    model.save_weights(str(path), **({"max_shard_size": 1e-6} if sharded else {}))
    said = {"activation": "relu", "output_activation": "identity"}

    recovery = found(path, **said)

    assert np.abs(delivered(recovery.networks[0], rows) - model(rows).numpy()).max() < LIMIT
    notes = [note for note in recovery.notes if "use_ema" in note]
    assert len(recovery.networks) == 1
    assert len(notes) == averages
    assert all("none is used" in note for note in notes)
    with pytest.raises(UsageError, match="numbers for names"):
        found(path, averages=True, **said)


def test_the_case_of_a_policy_delivers_what_was_noted_of_both(
    real: Path, tmp_path: Path, lnfold: Command
):
    """Outputs that TensorFlow noted, of the plain Saver and of ``variables_to_restore()``."""
    case = real.parent / "cases" / "moving_averages"
    if not case.is_dir():
        pytest.skip(f"the case is not here ({case})")
    noted = {
        name: np.load(case / file)
        for name, file in (("policy", "io.npz"), ("policy/moving_average", "io_ema.npz"))
    }
    outcome = lnfold("fold", case / "model.ckpt-30", "--output", tmp_path / "model.ckpt-30")
    assert outcome.code == 0, outcome.err
    for prefix in (case / "model.ckpt-30", tmp_path / "model.ckpt-30"):
        recovery = found(prefix)
        for name, arrays in noted.items():
            outputs = delivered(recovery.named(name), arrays["inputs"])
            assert np.abs(outputs - arrays["outputs"]).max() < LIMIT
    apart = np.abs(noted["policy"]["outputs"] - noted["policy/moving_average"]["outputs"])
    assert apart.max() > 1000 * LIMIT
