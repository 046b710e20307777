"""params.yaml and policy.yaml are read whole or refused in one line that names the key."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ledger.replay.attempts import Earlier
from systems.settings.params import (
    HEADS,
    WORDS,
    change_params,
    changed,
    load_params,
    parse_params,
    read_params,
)
from systems.settings.policy import EXACT, Rung, load_policy
from systems.settings.workspace import TEMPLATES, Workspace, write_templates
from unlearning import recipe
from unlearning.errors import PolicyError
from unlearning.methods import METHODS
from unlearning.training import loop

POLICY = """
attempts: 2
ladder:
  - method: famr
    settings: {epochs: 3}
  - method: retrain
gates:
  integrity:
  utility: {margin: 0.02}
  forgetting: {smallest_bank: 8}
"""


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    made = Workspace.at(tmp_path)
    write_templates(made)
    return made


def edit(ws: Workspace, old: str, new: str) -> None:
    text = ws.params.read_text()
    assert old in text
    ws.params.write_text(text.replace(old, new))


def test_the_templates_can_be_used_as_they_are(ws: Workspace) -> None:
    params = load_params(ws.root)
    assert params.data.shards == 64
    assert params.data.size is None
    assert params.training.weight_decay == 0.0005
    assert load_policy(ws.policy).ladder[-1].method == "retrain"


def test_approximate_attempts_share_one_error(tmp_path: Path) -> None:
    """One of 95 %; two of 97.5 % each; a third rung beyond the cap on attempts does not count."""
    for attempts, methods, level in (
        (4, ["famr", "retrain"], 0.95),
        (4, ["famr", "finetune", "retrain"], 0.975),
        (2, ["famr", "finetune", "sfr_on", "retrain"], 0.975),
        (4, ["retrain"], 0.95),
    ):
        path = tmp_path / "policy.yaml"
        tree = yaml.safe_load(POLICY) | {
            "attempts": attempts,
            "ladder": [{"method": name} for name in methods],
        }
        path.write_text(yaml.safe_dump(tree))
        assert load_policy(path).level == pytest.approx(level, rel=1e-12)


@pytest.mark.parametrize(
    ("earlier", "method", "rungs", "approximate"),
    [
        ((0, 0), None, ["famr", "finetune", "retrain"], 2),
        # tried one by one, each is at the level that it would have in the whole ladder
        ((0, 0), "famr", ["famr"], 2),
        ((1, 1), "finetune", ["finetune"], 2),
        # of 4 attempts 3 are used up: one approximate rung is left, the fourth of that kind
        ((3, 3), None, ["famr", "retrain"], 4),
        # exact retraining was one of those 3, and cannot err by luck
        ((3, 2), None, ["famr", "retrain"], 3),
        # nothing is left but exact retraining, which is never taken away
        ((4, 3), None, ["retrain"], 3),
        ((9, 9), "famr", [], 9),
        # three from outside were judged before: they use up no attempt, and share the error
        ((0, 0, 3), None, ["famr", "finetune", "retrain"], 5),
        ((4, 3, 1), None, ["retrain"], 4),
    ],
)
def test_repeated_runs_share_the_error_and_the_cap(
    tmp_path: Path,
    earlier: tuple[int, ...],
    method: str | None,
    rungs: list[str],
    approximate: int,
) -> None:
    """The level is 1 - 5 % / N for N approximate attempts in all, earlier ones included: in runs of
    before what they spent was counted, which are replayed."""
    path = tmp_path / "policy.yaml"
    ladder = [{"method": name} for name in ("famr", "finetune", "retrain")]
    path.write_text(yaml.safe_dump(yaml.safe_load(POLICY) | {"attempts": 4, "ladder": ladder}))
    policy, before = load_policy(path), Earlier(*earlier)
    assert [rung.method for rung in policy.rungs(before, method)] == rungs
    assert policy.level_after(before, method) == pytest.approx(1 - 0.05 / approximate, rel=1e-12)


def test_the_exact_methods_are_those_of_the_registry() -> None:
    assert {name for name in METHODS if METHODS[name].exact} == EXACT


def test_the_losses_of_a_head_are_those_that_can_be_fitted() -> None:
    assert HEADS == recipe.HEADS


def test_settings_that_are_there_stay(ws: Workspace) -> None:
    edit(ws, "epochs: 30", "epochs: 7")
    write_templates(ws)
    assert load_params(ws.root).training.epochs == 7


def test_dvc_caches_no_output() -> None:
    """Outputs derive from personal data; a cached one would be a copy that nobody purges."""
    stages = yaml.safe_load((TEMPLATES / "dvc.yaml").read_text())["stages"]
    assert set(stages) == {"prepare", "train", "shadows"}
    for stage in stages.values():
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
            assert [settings["cache"] for settings in out.values()] == [False]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs: 30", "epochs: thirty", "training.epochs: got 'thirty', expected a whole number"),
        ("epochs: 30", "epochs: 30\n  speed: 3", "training: unknown key 'speed', expected one of"),
        ("  epochs: 30\n", "", "training.epochs: got nothing, expected a whole number: add it"),
        ("epochs: 30", "epochs: true", "training.epochs: got True, expected a whole number"),
        ("epochs: 30", "epochs: 1.5", "training.epochs: got 1.5, expected a whole number"),
        ("epochs: 30", "epochs: 0", "training.epochs: got 0, expected 1 to"),
        ("0.0005", "5e-4", "got '5e-4', expected a number; write 1.0e-4, not 1e-4"),
        ("learning_rate: 0.1", "learning_rate: .nan", "learning_rate: got nan, expected a finite"),
        ("learning_rate: 0.1", "learning_rate: 0", "got 0.0, expected more than 0"),
        ("shards: 64", "shards: 257", "data.shards: got 257, expected 1 to 256"),
        ("shards: 64", "shards: null", "data.shards: got nothing, expected a whole number"),
        ("size: null", "size: big", "data.size: got 'big', expected a whole number or null"),
        ("network: conv-small", "network: 20", "network: got 20, expected text"),
        ("seed: 0", "seed: [", "is no YAML"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_was_expected(
    ws: Workspace, old: str, new: str, said: str
) -> None:
    edit(ws, old, new)
    with pytest.raises(PolicyError) as caught:
        load_params(ws.root)
    message = str(caught.value)
    assert message.startswith("params.yaml: ")
    assert said in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_a_cluster_named_at_the_bank_has_to_be_moved(ws: Workspace) -> None:
    """Workspaces have it there from before; without an address it means nothing."""
    write_templates(ws)
    old = ws.params.read_text().replace("bank:\n", "bank:\n  cluster: {}\n")
    ws.params.write_text(old.format("null"))
    assert load_params(ws.root).compute.cluster is None
    ws.params.write_text(old.format("tcp://10.0.0.1:8786"))
    with pytest.raises(PolicyError, match=r"bank.cluster: got 'tcp://10.0.0.1:8786', exp"):
        load_params(ws.root)
    read_params(ws.params)  # as one that was adopted before, which the next is held against


def test_a_network_goes_to_one_worker(ws: Workspace) -> None:
    write_templates(ws)
    with pytest.raises(PolicyError, match="got 2 processes and a cluster, expected one"):
        change_params(ws.root, {"compute.processes": 2, "compute.cluster": "tcp://10.0.0.1:8786"})


def test_a_section_that_is_no_mapping_is_refused(ws: Workspace) -> None:
    edit(ws, "remote:\n  url: null", "remote: elsewhere\nx:\n  url: null")
    with pytest.raises(PolicyError, match="unknown key 'x'"):
        load_params(ws.root)
    edit(ws, "\nx:\n  url: null", "")
    with pytest.raises(PolicyError, match="remote: got 'elsewhere', expected the keys url"):
        load_params(ws.root)


def test_no_settings_at_all(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"params.yaml: cannot be read .*lethe init"):
        load_params(tmp_path)
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(PolicyError, match="got nothing, expected keys and values"):
        load_params(tmp_path)


def test_changing_parameters_keeps_the_comments(ws: Workspace) -> None:
    params = change_params(ws.root, {"training.epochs": 3, "network": "resnet20", "data.size": 32})
    assert params == load_params(ws.root)
    assert (params.training.epochs, params.network, params.data.size) == (3, "resnet20", 32)
    assert "# processes that train them" in ws.params.read_text()


@pytest.mark.parametrize("name", ["training.speed", "nothing.speed", "speed"])
def test_changing_an_unknown_parameter_changes_nothing(ws: Workspace, name: str) -> None:
    before = ws.params.read_bytes()
    with pytest.raises(PolicyError, match="unknown key"):
        change_params(ws.root, {"seed": 4, name: 3})
    assert ws.params.read_bytes() == before


def test_a_policy_is_its_ladder_its_gates_and_the_digest_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    policy = load_policy(path)
    assert policy.ladder == (Rung("famr", {"epochs": 3}), Rung("retrain", {}))
    assert policy.gates["integrity"] == {}
    assert policy.gates["utility"] == {"margin": 0.02}
    assert policy.attempts == 2
    assert policy.digest == hashlib.sha256(POLICY.encode()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (POLICY[POLICY.index("gates:") :], "", "gates: got nothing"),
        (POLICY[POLICY.index("gates:") :], "gates: {}", "gates: got {}"),
        ("  integrity:\n", "", "gates.integrity: got nothing, expected its limits"),
        ("  utility: {margin: 0.02}\n", "", "gates.utility: got nothing"),
        ("  forgetting: {smallest_bank: 8}\n", "", "gates.forgetting: got nothing"),
        ("utility: {margin: 0.02}", "utility: lax", "gates.utility: got 'lax'"),
        ("method: famr", "name: famr", "ladder[0]: got"),
        ("method: famr", "method: famr\n    access: forget", "ladder[0]: unknown key 'access'"),
        ("settings: {epochs: 3}", "settings: 3", "ladder[0].settings: got 3"),
        ("attempts: 2", "attempts: 0", "attempts: got 0, expected a whole number from 1"),
        (
            "  - method: retrain\n",
            "",
            "ladder: ends in famr, expected head_downdate or retrain",
        ),
        ("attempts: 2", "tries: 2", "unknown key 'tries'"),
    ],
)
def test_a_policy_that_could_release_anything_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in POLICY
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace(old, new))
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert said in str(caught.value)


def test_a_policy_without_a_ladder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("attempts: 2\nladder: []\ngates: {integrity: {}, utility: {}, forgetting: {}}")
    with pytest.raises(PolicyError, match="ladder: got \\[\\], expected a list of methods"):
        load_policy(path)


def test_reading_settings_loads_nothing_heavy() -> None:
    code = (
        "import sys, systems.settings.params, systems.settings.policy; "
        "print([m for m in ('numpy', 'pyarrow', 'dvc', 'torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_values_that_stand_there_already_change_no_byte(ws: Workspace) -> None:
    content = ws.params.read_bytes() + b"# a word at the end\n"
    assert changed(content, {"seed": 0, "training.epochs": 30}) == content
    assert b"seed: 7" in changed(content, {"seed": 7})


@pytest.mark.parametrize("rate", [1e-5, 1e-300, 2.5e-7, 1e30, 0.1, 3.0])
def test_a_number_is_read_as_it_was_asked_for(ws: Workspace, rate: float) -> None:
    """`lethe init --learning-rate 1e-5`: a file of that name could not be read again."""
    assert change_params(ws.root, {"training.learning_rate": rate}).training.learning_rate == rate
    assert load_params(ws.root).training.learning_rate == rate


def test_shadows_come_in_pairs(ws: Workspace) -> None:
    before = ws.params.read_bytes()
    with pytest.raises(PolicyError, match=r"bank\.shadows: got 5, expected an even number"):
        change_params(ws.root, {"bank.shadows": 5})
    assert ws.params.read_bytes() == before


def test_words_of_the_settings_are_those_that_training_knows() -> None:
    """They stand twice, since whoever trains imports torch, and settings are read without it."""
    assert WORDS == loop._KNOWN


def test_a_word_that_training_does_not_know_is_named(ws: Workspace) -> None:
    edit(ws, "schedule: one_cycle", "schedule: cosin")
    with pytest.raises(PolicyError, match=r"params.yaml: training.schedule: got 'cosin', expected"):
        load_params(ws.root)


def test_the_stages_depend_on_all_that_a_training_reads(ws: Workspace) -> None:
    """Another head on the same backbone is another model: its stages have to run again."""
    stages = yaml.safe_load((TEMPLATES / "dvc.yaml").read_text())["stages"]
    for name in ("train", "shadows"):
        assert {"seed", "network", "head", "training"} <= set(stages[name]["params"])
        for key in stages[name]["params"]:  # DVC refuses a key that the file has not
            assert key.split(".")[0] in yaml.safe_load(ws.params.read_text())


def test_a_head_is_written_where_there_was_none(ws: Workspace) -> None:
    content = changed(ws.params.read_bytes(), {"head.backbone": "0" * 64})
    assert yaml.safe_load(content)["head"] == {"backbone": "0" * 64}


def test_a_key_that_stands_twice_is_named(ws: Workspace) -> None:
    """Whichever of the two was meant, the other would be passed over without a word."""
    edit(ws, "  batch_size: 64", "  batch_size: 64\n  epochs: 3")
    with pytest.raises(PolicyError, match=r"params.yaml: .*'epochs' stands twice.* line \d+"):
        load_params(ws.root)


def test_conditions_are_what_a_rungs_result_depends_on(tmp_path: Path) -> None:
    """Training and the bank's size; not who computes, where data lie, or how long copies stay."""

    def conditions(old: str = "", new: str = "") -> dict[str, str]:
        text = (TEMPLATES / "params.yaml").read_text()
        assert old in text
        return parse_params(text.replace(old, new, 1).encode()).conditions

    known = conditions()
    assert conditions("workers: 2", "workers: 1") == conditions("grace_days: 30", "grace_days: 3")
    assert conditions("workers: 2", "workers: 1") == known
    for old, new in (("epochs: 30", "epochs: 3"), ("lipschitz: null", "lipschitz: 2.0")):
        changed = conditions(old, new)
        assert changed["training"] != known["training"] and changed["bank"] == known["bank"]
    for old, new in (("shadows: 32", "shadows: 64"), ("bases: 0", "bases: 4")):
        changed = conditions(old, new)
        assert changed["bank"] != known["bank"] and changed["training"] == known["training"]
