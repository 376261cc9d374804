"""`lnfold inspect` as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

FIXTURES = ROOT / "tests" / "recovery" / "fixtures" / "tf1"


def test_the_question_is_answered_for_the_sample(lnfold, samples):
    """The report names the network, answers, lists what folds, and shows the re-run."""
    result = lnfold("inspect", samples / "cartpole_actor")

    assert result.code == 0
    for words in (
        "obs0 [5] → Dense 64 → LayerNorm → relu",
        'Can bias, gamma and beta of a layer be one "bias" vector?  No.',
        "epsilon 1e-12, order and activations: read from the graph",
        "absorbed exactly: 65 of 192 numbers",
        "best affine fit",
        "re-run  NumPy float32 against float64",
    ):
        assert words in result.out
    assert result.err == ""


def test_nothing_is_wider_than_the_terminal(lnfold, samples):
    """At 80 and at 60 columns no line is longer."""
    for columns in (80, 60):
        lines = lnfold("inspect", samples / "cartpole_actor", columns=columns).out.splitlines()
        assert len(lines) > 20
        assert max(map(len, lines)) <= columns


def test_batch_norm_is_answered_with_yes(lnfold, samples):
    """Stored statistics make one vector exact."""
    result = lnfold("inspect", samples / "cartpole_actor_batchnorm")

    assert 'be one "bias" vector?  Yes.' in result.out
    assert "BatchNorm" in result.out


def test_what_the_keras_checkpoint_does_not_say_is_asked_for(lnfold, samples):
    """Without a graph the activations are refused by the name of the option that settles them."""
    result = lnfold("inspect", samples / "cartpole_actor_keras")

    assert result.code == 0
    assert "Give --activation" in result.out.replace("\n", " ")
    assert "assumed, as in Keras LayerNormalization" in " ".join(result.out.split())
    assert "re-run  not possible" in result.out


def test_options_settle_it_and_are_shown_as_given(lnfold, samples):
    """With the activations given, the Keras sample equals what TensorFlow computed."""
    folder = samples / "cartpole_actor_keras"
    result = lnfold(
        "inspect",
        folder,
        "--activation",
        "relu",
        "--output-activation",
        "tanh",
        "--expected",
        folder / "expected_actor.npz",
        "--json",
    )

    network = json.loads(result.out)["networks"][0]
    assert result.code == 0
    assert network["complete"]
    assert {check["against"]: check["passed"] for check in network["checks"]} == {
        "float64": True,
        "expected": True,
    }
    sources = {one["function"]["source"] for one in network["layers"] if "function" in one}
    assert sources == {"option"}


def test_a_wrong_epsilon_is_found_by_the_expected_outputs(lnfold, samples):
    """A fact that is given wrongly makes the check fail, with exit code 1."""
    folder = samples / "cartpole_actor_keras"
    result = lnfold(
        "inspect",
        folder,
        "--activation",
        "relu",
        "--output-activation",
        "tanh",
        "--epsilon",
        "0.1",
        "--expected",
        folder / "expected_actor.npz",
    )

    assert result.code == 1
    assert "numbers differ  ✗" in result.out


def test_an_option_that_contradicts_the_graph_shows_both(lnfold, samples):
    """The graph knows better, so the option is an error that names the node."""
    result = lnfold("inspect", samples / "cartpole_actor", "--epsilon", "1e-3")

    assert result.code == 2
    assert "--epsilon 0.001 contradicts the graph" in result.err
    assert "actor/LayerNorm/batchnorm/add/y" in result.err


@pytest.mark.parametrize("sample", ["cartpole_actor", "cartpole_actor_batchnorm"])
def test_tensorflow_agrees_with_the_re_run(lnfold, samples, tensorflow, sample):
    """The graph, restored and run by TensorFlow, differs by rounding only."""
    result = lnfold("inspect", samples / sample, "--against", "tensorflow", "--json")

    checks = {one["against"]: one for one in json.loads(result.out)["networks"][0]["checks"]}
    assert result.code == 0
    assert 0 < checks["tensorflow"]["max_abs"] <= checks["tensorflow"]["tolerance"] < 1e-4


def test_without_its_meta_the_sample_is_assumed_and_still_right(lnfold, samples, tmp_path):
    """baselines' conventions give the same network, marked as assumed."""
    for file in (samples / "cartpole_actor").iterdir():
        if file.suffix != ".meta":
            shutil.copy(file, tmp_path)
    expected = tmp_path / "expected_actor.npz"
    result = lnfold("inspect", tmp_path, "--expected", expected, "--json")

    network = json.loads(result.out)["networks"][0]
    epsilons = [one["epsilon"] for one in network["layers"] if "epsilon" in one]
    assert result.code == 0
    assert [one["source"] for one in epsilons] == ["convention"] * 2
    assert [check["passed"] for check in network["checks"]] == [True, True]


def test_one_file_serves_inputs_and_expected(lnfold, samples):
    """The form of expected_*.npz works for both options at once."""
    path = samples / "cartpole_actor" / "expected_actor.npz"
    both = lnfold(
        "inspect", samples / "cartpole_actor", "--inputs", path, "--expected", path, "--json"
    )

    checks = json.loads(both.out)["networks"][0]["checks"]
    assert [check["rows"] for check in checks] == [256, 256]


def test_npy_files_serve_too(lnfold, samples, tmp_path):
    """A bare matrix stands for the only input and the only output."""
    with np.load(samples / "cartpole_actor" / "expected_actor.npz") as arrays:
        np.save(tmp_path / "in.npy", arrays["inputs"])
        np.save(tmp_path / "out.npy", arrays["outputs"])
    result = lnfold(
        "inspect",
        samples / "cartpole_actor",
        "--inputs",
        tmp_path / "in.npy",
        "--expected",
        tmp_path / "out.npy",
    )

    assert result.code == 0
    assert "the outputs given against float64: all 256 numbers agree  ✓" in " ".join(
        result.out.replace("agree  ✓", "agree@✓").split()
    ).replace("@", "  ")


def test_output_is_written_whole_and_as_json_by_its_name(lnfold, samples, tmp_path):
    """--output FILE.json holds what --json prints, and nothing else is left in the folder."""
    target = tmp_path / "report.json"
    written = lnfold("inspect", samples / "cartpole_actor", "--output", target)
    printed = lnfold("inspect", samples / "cartpole_actor", "--json")

    assert written.out == ""
    assert target.read_text("utf-8") == printed.out
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_an_input_is_never_overwritten(lnfold, samples, tmp_path):
    """Writing the report over the checkpoint is refused and the file stays as it was."""
    for file in (samples / "cartpole_actor").iterdir():
        shutil.copy(file, tmp_path)
    index = next(tmp_path.glob("*.index"))
    before = index.read_bytes()
    result = lnfold("inspect", tmp_path, "--json", "--output", index)

    assert result.code == 2
    assert "is an input" in result.err
    assert index.read_bytes() == before


def test_the_critic_of_a_real_checkpoint_is_chosen_by_its_arrays(lnfold, real):
    """obs0 and actions fit only the critic; a note says that it was taken."""
    path = real / "ddpg_layernorm" / "expected_critic.npz"
    result = lnfold("inspect", path.parent, "--expected", path, "--json")

    report = json.loads(result.out)
    critic = next(one for one in report["networks"] if one["name"] == "critic")
    assert result.code == 0
    assert [check["against"] for check in critic["checks"]] == ["float64", "expected"]
    assert any("network critic" in note for note in report["notes"])


REAL_OUTPUTS = [
    ("question_actor", "expected_actor", "actor"),
    ("ddpg_layernorm", "expected_actor", "actor"),
    ("ddpg_layernorm", "expected_critic", "critic"),
    ("ddpg_layernorm", "expected_param_noise_actor", "param_noise_actor"),
    ("deepq_layernorm", "expected_q_func", "q_func"),
    ("deepq_plain", "expected_q_func", "q_func"),
    ("policy_tanh", "expected_policy_net", "policy_net"),
]


@pytest.mark.parametrize(("folder", "file", "network"), REAL_OUTPUTS)
def test_real_networks_are_reproduced_to_rounding(lnfold, real, folder, file, network):
    """Every public checkpoint with known outputs passes with no option but the network's name."""
    path = real / folder / f"{file}.npz"
    prefix = next(path.parent.glob("*.index")).with_suffix("")
    result = lnfold("inspect", prefix, "--network", network, "--expected", path, "--json")

    check = json.loads(result.out)["networks"][0]["checks"][1]
    assert result.code == 0
    assert check["against"] == "expected"
    assert check["rows"] == 256
    assert check["max_abs"] <= check["tolerance"]


def test_explain_lists_every_fact_with_what_says_it(lnfold, samples):
    """Each variable, epsilon and activation of the network stands in a line with its node."""
    folder = samples / "cartpole_actor"
    out = " ".join(lnfold("inspect", folder, "--explain").out.split())
    network = json.loads(lnfold("inspect", folder, "--json").out)["networks"][0]

    assert len(network["facts"]) == 3 + 3 * 2 + 2 * 4 + 3  # network, kernels, norms, activations
    for fact in network["facts"]:
        value = "1e-12" if fact["what"] == "epsilon" else fact["value"]
        assert f"{fact['what']} {value} graph" in out
        assert fact["source"] == "graph"
        assert fact["where"]
    assert {fact["option"] for fact in network["facts"] if fact["what"] == "epsilon"} == {
        "--epsilon"
    }


def test_explain_shows_confidence_and_the_option_that_settles_it(lnfold, samples):
    """An assumption says how far it goes; what is unknown says what to give."""
    out = " ".join(lnfold("inspect", samples / "cartpole_actor_keras", "--explain").out.split())

    assert "epsilon 0.001: assumed with medium confidence, as in Keras LayerNormalization" in out
    assert "activation unknown: --output-activation settles it" in out


def test_explain_is_not_wider_than_the_terminal(lnfold, samples):
    """Long names are broken, not cut."""
    for sample in ("cartpole_actor", "cartpole_actor_keras"):
        for columns in (80, 60):
            lines = lnfold("inspect", samples / sample, "--explain", columns=columns).out.split(
                "\n"
            )
            assert len(lines) > 40
            assert max(map(len, lines)) <= columns


def test_variables_of_no_network_and_of_several_are_named(lnfold, real):
    """Exploration noise is no network's; the observation's statistics are everyone's."""
    noise = "deepq/param_noise_scale"
    short = lnfold("inspect", real / "deepq_layernorm")
    record = json.loads(lnfold("inspect", real / "ddpg_layernorm", "--json").out)
    explained = lnfold("inspect", real / "ddpg_layernorm", "--explain")

    assert "in no network: 4 variables" in short.out
    assert noise in short.out
    assert {"actor", "critic"} <= set(record["shared"]["obs_rms/count"])
    assert record["unused"] == []
    assert "shared by actor, critic" in " ".join(explained.out.split())


def test_a_stream_that_cannot_show_a_character_gets_a_plain_one(samples):
    """ASCII shows arrows, bars and trees in ASCII, in lines as long."""
    command = [sys.executable, "-m", "lnfold", "inspect", str(samples / "cartpole_actor")]
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUTF8": "0"}
    texts = [
        subprocess.run(
            command, env={**environment, "PYTHONIOENCODING": one}, capture_output=True, check=True
        ).stdout.decode(one)
        for one in ("ascii", "utf-8")
    ]

    assert "obs0 [5] > Dense 64 > LayerNorm > relu" in texts[0]
    assert "\\u" not in texts[0]
    assert "  ok" in texts[0]
    assert len(texts[0].splitlines()) == len(texts[1].splitlines())
    assert max(map(len, texts[0].splitlines())) <= 80


DAMAGED = {
    "truncated": lambda content: content[:5000],
    "empty": lambda content: b"",
    "no graph": lambda content: bytes(range(256)) * 20,
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_meta_is_one_note_and_everything_else_is_marked(
    lnfold, samples, tmp_path, damage
):
    """The names are the next best evidence, and --explain says so of every fact."""
    for file in (samples / "cartpole_actor").iterdir():
        shutil.copy(file, tmp_path)
    meta = next(tmp_path.glob("*.meta"))
    meta.write_bytes(DAMAGED[damage](meta.read_bytes()))
    result = lnfold("inspect", tmp_path, "--explain")
    record = json.loads(lnfold("inspect", tmp_path, "--json").out)

    assert result.code == 0
    assert result.err == ""
    assert result.out.count("note:") == len(record["notes"]) == 1
    assert meta.name in record["notes"][0]
    facts = record["networks"][0]["facts"]
    assert {fact["source"] for fact in facts} <= {"names", "convention", "shapes"}
    assumed = [fact for fact in facts if fact["what"] in ("epsilon", "activation", "order")]
    assert len(assumed) == 6
    assert all(fact["confidence"] and fact["option"] for fact in assumed)


def test_examples_of_two_heads_settle_a_checkpoint_without_its_graph(lnfold, tmp_path):
    """Inputs and both outputs in one .npz, by the names of the heads."""
    import lnfold as library

    source = FIXTURES / "two_heads"
    with library.open_checkpoint(source) as checkpoint:
        (network,) = library.recover(checkpoint).networks
        x = np.random.default_rng(0).standard_normal((64, network.inputs[0].width))
        answers = [library.run(network, x)[name] for name in network.outputs]
    for file in source.iterdir():
        if not file.name.endswith(".meta"):
            shutil.copy(file, tmp_path)
    heads = [layer.scope.rpartition("/")[2] for layer in network.layers if layer.kind == "dense"]
    arrays = {f"outputs_{name}": one for name, one in zip(heads[1:], answers, strict=True)}
    np.savez(tmp_path / "io.npz", obs=x, **arrays)
    result = lnfold("inspect", tmp_path, "--examples", tmp_path / "io.npz", "--json")

    (found,) = json.loads(result.out)["networks"]
    assert result.code == 0
    assert found["complete"]
    assert found["wiring"] == {
        "source": "examples",
        "value": "dense-norm-act",
        "where": str(tmp_path / "io.npz"),
    }
    functions = [one["function"]["value"] for one in found["layers"] if "function" in one]
    assert functions == ["relu", "tanh"]


def test_no_line_ends_in_blanks(lnfold, samples):
    """What is piped into a file or a message is clean."""
    lines = lnfold("inspect", samples / "cartpole_actor", "--explain").out.splitlines()
    assert len(lines) > 50
    assert [line for line in lines if line != line.rstrip()] == []


def test_networks_that_are_alike_and_unknown_take_one_block(lnfold, tmp_path):
    """Three heads of the same widths, of which no activation is known, are named together."""
    arrays = {f"model/part_{i}/dense/kernel": np.zeros((4, 2), np.float32) for i in range(3)}
    np.savez(tmp_path / "parts.npz", **arrays, **{"other/dense/kernel": np.zeros((3, 5), "f4")})
    result = lnfold("inspect", tmp_path / "parts.npz")

    assert result.code == 0
    assert result.out.count("Dense 2") == result.out.count("Dense 5") == 1
    assert all(f"model/part_{i}" in result.out for i in range(3))
    assert result.out.count("No answer and no re-run") == 1


def test_a_network_of_nan_says_so(lnfold, tmp_path):
    """Of rows of NaN nobody can tell whether they agree; what makes them is named."""
    arrays = {
        "net/dense/kernel": np.eye(3, dtype=np.float32),
        "net/batch_normalization/gamma": np.ones(3, np.float32),
        "net/batch_normalization/beta": np.zeros(3, np.float32),
        "net/batch_normalization/moving_mean": np.zeros(3, np.float32),
        "net/batch_normalization/moving_variance": np.array([1, -2, 1], np.float32),
        "net/dense_1/kernel": np.ones((3, 2), np.float32),
    }
    np.savez(tmp_path / "broken.npz", **arrays)
    options = ["--epsilon", "0.001", "--order", "dense-norm-act", "--activation", "relu"]
    result = lnfold("inspect", tmp_path / "broken.npz", *options, "--output-activation", "identity")

    words = " ".join(result.out.split())
    assert "moving_variance is negative for 1 of 3 units" in words
    assert "all 2,048 numbers cannot be told ?" in words
    assert "no number on either side" in words
    assert result.err == ""


def test_a_network_of_half_precision_is_said_to_be_run_in_it(lnfold, tmp_path):
    """By every command and in every way out that speaks of the re-run."""
    run = FIXTURES / "contrib_layer_norm_float16"
    page = tmp_path / "page.html"
    commands = [
        ["inspect", run],
        ["inspect", run, "--json"],
        ["inspect", run, "--html", page],
        ["explain", run],
        ["check", run],
        ["check", run, "--json"],
    ]
    said = [" ".join(lnfold(*one).out.split()) for one in commands] + [page.read_text("utf-8")]

    assert len(said) == 7
    for one in said:
        assert "NumPy float16 against float64" in one
        assert "NumPy float32" not in one
        assert "in float32" not in one
    assert "NumPy in float16, on" in said[-1]
