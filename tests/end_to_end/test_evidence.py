"""What whoever verifies needs is the bundle, the public key and the command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bare import bare
from tests.end_to_end.commandline import COMMAND, installed
from tests.end_to_end.conftest import MakeLethe, Told
from tests.end_to_end.traces import files_below

ALARM = 30
ROOT = Path(__file__).parents[2]


def test_it_verifies_offline_away_from_the_workspace(
    told: Told, environment: dict[str, str], tmp_path: Path
) -> None:
    bundle, key = tmp_path / "bundle", tmp_path / "public.pem"
    shutil.copytree(told.bundle, bundle)
    shutil.copy(told.lethe.root / "records" / "public.pem", key)
    words = [COMMAND, "--json", "verify", str(bundle), "--key", str(key)]
    answer = installed(environment, *without_network(), *words, cwd=tmp_path)
    assert (answer.code, answer.json["problems"]) == (0, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "public.pem"]


def test_it_verifies_where_no_extra_is_installed(told: Told) -> None:
    """Neither torch nor numpy: what comes with `pip install` of Lethe alone."""
    done = bare("verify", str(told.bundle), "--key", str(told.lethe.root / "records/public.pem"))
    assert (done.returncode, done.stderr) == (0, "") and "judged again" in done.stdout


def test_others_tools_read_the_steps_as_the_documentation_says(told: Told) -> None:
    """Its own code, which knows nothing of Lethe, verifies every envelope and finds the weights."""
    page = (ROOT / "docs" / "evidence.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    words = [str(told.bundle), str(told.lethe.root / "records" / "public.pem")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps = [line.split()[0].split(".")[0][3:] for line in done.stdout.splitlines()]
    assert list(dict.fromkeys(steps))[-5:] == ["seal", "promote", "suppress", "erase", "purge"]
    assert f"released candidate {told.statement['candidate']['sha256']}" in done.stdout


def test_a_finished_workspace_is_its_owners_alone(told: Told) -> None:
    """Also where the umask lets others read; MLflow and DVC choose modes inside closed folders."""
    root, open_ones = told.lethe.root, {"params.yaml", "policy.yaml", "dvc.yaml", ".gitignore"}
    open_ones |= {".dvcignore", "data.dvc", "dvc.lock"}
    closed = {path.name for path in root.iterdir() if path.is_dir()}
    assert {"keys", "records", "data", "artifacts", "evidence", "remote", "mlruns"} <= closed
    assert {name for name in closed if (root / name).stat().st_mode & 0o077} == set()
    files = {path.relative_to(root): path.stat().st_mode for path in files_below(root)}
    assert sum(path.name == "bank.json" for path in files) == 1
    theirs = {path for path in files if path.parts[0] in {"mlruns", "remote", ".dvc"}}
    readable = {path for path, mode in files.items() if mode & 0o077 and path not in theirs}
    assert {path.as_posix() for path in readable} <= open_ones


def test_what_an_auditors_certificate_tells_to_check_holds(told: Told, tmp_path: Path) -> None:
    """The commands that stand on it, with the bundle, the log and the key, and nothing else."""
    made = told.lethe("certificate", told.request, "--out", str(tmp_path)).json["certificates"]
    assert sorted({Path(path).suffix for path in made}) == [".html", ".pdf"] and len(made) == 8
    page = (tmp_path / f"{told.request}-auditor.html").read_text()
    (code,) = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    told.lethe("log", "--export", str(tmp_path / "log.jsonl"))
    (proved,) = re.findall(r"lethe log --prove (\S+) --out proof.json", page)
    told.lethe("log", "--prove", proved, "--out", str(tmp_path / "proof.json"))
    shutil.copytree(told.bundle, tmp_path / told.bundle.name)
    shutil.copy(told.lethe.root / "records" / "public.pem", tmp_path)
    checks = [line.split()[1:] for line in code.splitlines() if "--replay" not in line]
    assert [("--log" in words, words[-2]) for words in checks] == [
        *((False, "--head"), (True, "--head"), (False, "--key"))
    ]
    for words in checks:
        here = [str(tmp_path / word) if (tmp_path / word).exists() else word for word in words]
        assert told.lethe(*here).json["ok"]
    for digest in (told.statement["candidate"]["sha256"], told.statement["policy_sha256"]):
        assert digest in page


def test_another_key_does_not_fit(told: Told, tmp_path: Path) -> None:
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    key = tmp_path / "other.pem"
    key.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes(*form))
    answer = told.lethe("verify", str(told.bundle), "--key", str(key), code=ALARM)
    assert any("statement" in problem for problem in answer.json["problems"])


def test_a_changed_byte_is_named_in_whichever_file(told: Told, tmp_path: Path) -> None:
    names = [str(path.relative_to(told.bundle)) for path in files_below(told.bundle)]
    assert {"statement.json", "statement.sig", "log.jsonl", "policy.yaml"} < set(names)
    for number, name in enumerate(names):
        bundle = tmp_path / str(number)
        shutil.copytree(told.bundle, bundle)
        flip(bundle / name, (bundle / name).stat().st_size // 2)
        answer = told.lethe("verify", str(bundle), code=ALARM)
        assert any(name in problem for problem in answer.json["problems"]), (name, answer.out)


def test_a_missing_and_an_added_file_are_named(told: Told, tmp_path: Path) -> None:
    shutil.copytree(told.bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "report.html").unlink()
    (tmp_path / "bundle" / "better-report.html").write_text("all is well")
    found = told.lethe("verify", str(tmp_path / "bundle"), code=ALARM).json["problems"]
    for name in (" report.html", "better-report.html"):
        assert any(name in f" {problem}" for problem in found)


def test_a_changed_byte_of_the_log_is_named_by_its_entry(told: Told, make_lethe: MakeLethe) -> None:
    lethe = make_lethe("log", told.lethe.root)
    log = lethe.root / "records" / "log.jsonl"
    good = log.read_bytes()
    lines = good.splitlines(keepends=True)
    for seq in (1, len(lines) // 2, len(lines)):
        flip(log, len(b"".join(lines[: seq - 1])) + len(lines[seq - 1]) // 2)
        (problem,) = lethe("verify", "--log", code=ALARM).json["problems"]
        assert f"{seq}" in problem.split()
        log.write_bytes(good)
    log.write_bytes(b"".join(lines[:-1]))
    assert "lacks 1 entry" in lethe("verify", "--log", code=ALARM).err
    assert "lacks 1 entry" in lethe("forget", "--all", code=ALARM).err


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte, and leave text text."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def without_network() -> list[str]:
    """Give a prefix under which there is no network, where that can be had."""
    prefix = ["unshare", "--net"]
    can = not os.geteuid() and shutil.which(prefix[0])
    works = can and not subprocess.run([*prefix, "true"], check=False).returncode
    return prefix if works else []
