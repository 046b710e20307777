"""A workspace goes by the policy that its log names, whatever lies in policy.yaml."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from ledger import durable
from ledger.errors import SealAltered
from ledger.keys import create_keys
from ledger.requests import Ledger
from systems.settings.workspace import Workspace, write_templates
from tasks import adopt
from unlearning.errors import IntegrityError, PolicyError, UsageError


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A workspace whose policy was adopted, and another policy beside it."""
    made = Workspace.at(tmp_path / "workspace")
    write_templates(made)
    create_keys(made.keys, made.records)
    adopt.adopt(made, opened(made), made.policy, "the first")
    other(made).write_text(made.policy.read_text().replace("attempts: 4", "attempts: 5"))
    return made


def other(ws: Workspace) -> Path:
    return ws.root / "other.yaml"


def opened(ws: Workspace) -> Ledger:
    return Ledger.open(ws.records, ws.keys)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_only_the_bytes_in_force_are_given_and_a_refusal_names_both_digests(ws: Workspace) -> None:
    content = adopt.content_in_force(opened(ws), ws.policy)
    assert content == ws.policy.read_bytes()
    got, expected = sha256(other(ws))[:16], sha256(ws.policy)[:16]
    with pytest.raises(PolicyError) as caught:
        adopt.content_in_force(opened(ws), other(ws))
    message = str(caught.value)
    assert message.startswith(f"other.yaml: SHA-256 got {got}, expected {expected}")
    assert "`lethe policy --adopt FILE --reason TEXT`" in message
    assert caught.value.exit_code == 2


def test_what_stands_on_disk_is_told_from_what_is_in_force(ws: Workspace) -> None:
    """`plan` reckons by the files as they stand, and a run will refuse other ones."""
    adopt.adopt(ws, opened(ws), ws.params, "the first", adopt.PARAMS)
    for kind, file in ((adopt.POLICY, ws.policy), (adopt.PARAMS, ws.params)):
        told = adopt.standing(opened(ws), file, kind)
        assert told == {"sha256": sha256(file), "in_force": True}
        file.write_text(file.read_text() + "# more\n")
        assert not adopt.standing(opened(ws), file, kind)["in_force"]


def test_rates_by_layer_need_a_network_whose_layers_have_an_order(ws: Workspace) -> None:
    """Else each run would try a rung that can only fail."""
    adopt.adopt(ws, opened(ws), ws.params, "the first", adopt.PARAMS)
    text = ws.policy.read_text()
    other(ws).write_text(text.replace("{epochs: 15,", "{epochs: 15, layer_decay: 0.75,"))
    with pytest.raises(PolicyError, match=r"ladder\[0\]: layer_decay: got another than 1.0"):
        adopt.adopt(ws, opened(ws), other(ws), "layers")
    params = ws.root / "vit.yaml"
    params.write_text(ws.params.read_text().replace("conv-small", "vit-digits"))
    adopt.adopt(ws, opened(ws), params, "a transformer", adopt.PARAMS)
    assert adopt.adopt(ws, opened(ws), other(ws), "layers")


def test_policy_and_params_must_be_able_to_decide_together(ws: Workspace) -> None:
    """The shipped bank has 32 shadows, the shipped policy asks for 8."""
    adopt.adopt(ws, opened(ws), ws.params, "the first", adopt.PARAMS)
    held = ws.policy.read_bytes(), ws.params.read_bytes()
    few, many = ws.root / "few.yaml", ws.root / "many.yaml"
    few.write_text(ws.params.read_text().replace("shadows: 32", "shadows: 6"))
    many.write_text(ws.policy.read_text().replace("smallest_bank: 8", "smallest_bank: 33"))
    with pytest.raises(PolicyError, match=r"bank.shadows: got 6, expected at least 8"):
        adopt.adopt(ws, opened(ws), few, "fewer", adopt.PARAMS)
    with pytest.raises(PolicyError, match=r"bank.shadows: got 32, expected at least 34"):
        adopt.adopt(ws, opened(ws), many, "more")
    assert (ws.policy.read_bytes(), ws.params.read_bytes()) == held


def test_a_comment_is_a_change_too(ws: Workspace) -> None:
    """What is signed is the bytes; whether two texts mean the same is for the reader to say."""
    ws.policy.write_text(f"{ws.policy.read_text()}# as before\n")
    with pytest.raises(PolicyError):
        adopt.content_in_force(opened(ws), ws.policy)
    assert adopt.described(ws, opened(ws))["differs"] == ["comments or layout only"]


def test_an_adopted_file_becomes_the_workspaces_policy(ws: Workspace) -> None:
    assert adopt.adopt(ws, opened(ws), other(ws), "one more try")
    assert ws.policy.read_bytes() == other(ws).read_bytes()
    shown = adopt.described(ws, opened(ws))
    assert shown["sha256"] == shown["on_disk"] == sha256(other(ws))
    assert (shown["reason"], shown["on_disk_in_force"]) == ("one more try", True)
    first, second = shown["history"]
    assert (first["reason"], first["changes"]) == ("the first", [])
    assert second["changes"] == ["attempts: 4 -> 5 (looser)"]


def test_a_crash_after_the_entry_is_mended_by_the_same_command(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has it, policy.yaml does not: until both agree nothing runs."""
    write = durable.write

    def killed(path: Path, content: bytes, **rest: int) -> None:
        if path == ws.policy:
            raise KeyboardInterrupt
        write(path, content, **rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(durable, "write", killed)
        adopt.adopt(ws, opened(ws), other(ws), "one more try")
    with pytest.raises(PolicyError):
        adopt.content_in_force(opened(ws), ws.policy)
    assert not adopt.adopt(ws, opened(ws), other(ws), "one more try")
    assert adopt.content_in_force(opened(ws), ws.policy) == other(ws).read_bytes()
    assert len(adopt.described(ws, opened(ws))["history"]) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("attempts: 4", "attempts: 0"), "why not"),
        (("method: finetune", "method: wish"), "why not"),
        (("classes: 2", "klasses: 2"), "why not"),
        (("learning_rate: 0.3", "learning_rate: high"), "why not"),
        (("learning_rate: 0.3", "learning_rate: 0"), "why not"),
        (("epochs: 15", "epochs: true"), "why not"),
        (("margin: 0.02", "margin: .nan"), "why not"),
        (("auc: 0.55", "auc: strict"), "why not"),
        (("attempts: 4", "attempts: 3"), "  "),
    ],
)
def test_what_no_run_could_use_and_what_nobody_explains_is_not_adopted(
    ws: Workspace, change: tuple[str, str], reason: str
) -> None:
    text = ws.policy.read_text()
    assert change[0] in text
    other(ws).write_text(text.replace(*change))
    before = ws.log.read_bytes()
    with pytest.raises(UsageError):
        adopt.adopt(ws, opened(ws), other(ws), reason)
    assert (ws.log.read_bytes(), ws.policy.read_text()) == (before, text)
    assert len(list(ws.policies.iterdir())) == 1


def test_a_log_without_an_adoption_says_how_to_adopt(ws: Workspace) -> None:
    shutil.rmtree(ws.records)
    ws.records.mkdir()
    shutil.rmtree(ws.keys)
    create_keys(ws.keys, ws.records)
    with pytest.raises(PolicyError, match="none was ever adopted here: adopt it with `lethe"):
        adopt.content_in_force(opened(ws), ws.policy)
    shown = adopt.described(ws, opened(ws))
    assert (shown["sha256"], shown["on_disk_in_force"], shown["history"]) == (None, False, [])


def test_a_kept_policy_that_was_changed_is_an_alarm_and_is_told(ws: Workspace) -> None:
    assert adopt.problem(ws, opened(ws)) == ""
    shutil.copy(other(ws), ws.policies / f"{sha256(ws.policy)}.yaml")
    with pytest.raises(SealAltered):
        adopt.problem(ws, opened(ws))
    shown = adopt.described(ws, opened(ws))
    assert shown["on_disk_in_force"]  # the log and policy.yaml agree all the same
    assert "restore the adopted file" in shown["differs"][0]


def test_a_runs_copy_is_what_the_run_began_with(ws: Workspace) -> None:
    assert adopt.own_copy(ws.policy, sha256(ws.policy)).attempts == 4
    with pytest.raises(IntegrityError, match=f"got {sha256(other(ws))[:16]}"):
        adopt.own_copy(other(ws), sha256(ws.policy))


def test_only_methods_of_the_ladder_may_be_tried_alone(ws: Workspace) -> None:
    """What is not on the ladder was not fixed before the run, whatever it is."""
    adopt.check_policy(ws.policy, "finetune")
    for method in ("amun", "wish"):
        with pytest.raises(PolicyError, match=r"--method: got .*, expected a method of the policy"):
            adopt.check_policy(ws.policy, method)


def test_a_wrong_setting_is_named_with_its_place(ws: Workspace) -> None:
    text = ws.policy.read_text()
    other(ws).write_text(text.replace("learning_rate: 0.3", "learning_rate: high"))
    with pytest.raises(PolicyError) as caught:
        adopt.adopt(ws, opened(ws), other(ws), "better")
    assert str(caught.value) == (
        "other.yaml: ladder[0]: method 'finetune'.learning_rate: got 'high', expected a number"
    )


def test_params_are_adopted_and_logged_as_the_policy_is(ws: Workspace) -> None:
    with pytest.raises(PolicyError, match="none was ever adopted here: adopt it with `lethe par"):
        adopt.content_in_force(opened(ws), ws.params, adopt.PARAMS)
    assert adopt.adopt(ws, opened(ws), ws.params, "the first", adopt.PARAMS)
    changed = ws.params.read_text().replace("grace_days: 30", "grace_days: 7")
    ws.params.write_text(changed)
    with pytest.raises(PolicyError, match=r"params\.yaml: SHA-256 got"):
        adopt.content_in_force(opened(ws), ws.params, adopt.PARAMS)
    assert adopt.adopt(ws, opened(ws), ws.params, "law wants it sooner", adopt.PARAMS)
    shown = adopt.described(ws, opened(ws), adopt.PARAMS)
    assert shown["history"][-1]["changes"] == ["model.grace_days: 30 -> 7"]
    assert adopt.described(ws, opened(ws))["reason"] == "the first"  # of the policy


@pytest.mark.parametrize(
    ("old", "new"),
    [("epochs: 30", "epochs: many"), ("shadows: 32", "shadows: 31"), ("one_cycle  ", "zigzag  ")],
)
def test_params_that_nothing_could_train_with_are_not_adopted(
    ws: Workspace, old: str, new: str
) -> None:
    text = ws.params.read_text()
    assert old in text
    other(ws).write_text(text.replace(old, new))
    before = ws.log.read_bytes()
    with pytest.raises(UsageError):
        adopt.adopt(ws, opened(ws), other(ws), "why not", adopt.PARAMS)
    assert (ws.log.read_bytes(), ws.params.read_text()) == (before, text)
