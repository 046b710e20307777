"""The environment that the packages underneath are given."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from urllib.request import proxy_bypass_environment

import pytest

from systems.settings.quiet import HERE, quiet_environment


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("no_proxy", "NO_PROXY", "PREFECT_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "set, so that it is put back after the test")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return monkeypatch


@pytest.mark.parametrize("named", [{}, {"no_proxy": "corp.example"}, {"NO_PROXY": "corp.example"}])
def test_no_proxy_is_asked_for_this_machine(
    environment: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    for name, value in {"HTTP_PROXY": "http://proxy.example:3128", **named}.items():
        environment.setenv(name, value)
    quiet_environment()
    quiet_environment()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]
    assert os.environ["no_proxy"].split(",") == [*named.values(), *HERE]
    assert all(proxy_bypass_environment(f"{host}:4200") for host in ("localhost", "127.0.0.1"))
    assert not proxy_bypass_environment("store.example")


def test_who_asks_no_proxy_at_all_asks_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("no_proxy", "*")
    quiet_environment()
    assert os.environ["no_proxy"] == "*"


def test_a_home_that_can_be_written_is_used(environment: pytest.MonkeyPatch) -> None:
    quiet_environment()
    assert "PREFECT_HOME" not in os.environ


@pytest.mark.parametrize("home", ["/dev/null/home", "/proc/1/nothing", "~"])
def test_without_a_home_there_is_a_folder_of_ones_own(
    environment: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    """The same one each time: Prefect's database takes seconds to make."""
    environment.setenv("HOME", home)
    quiet_environment()
    folder = Path(os.environ["PREFECT_HOME"]).parent
    assert folder == tmp_path / f"lethe-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert Path(os.environ["MPLCONFIGDIR"]).parent == folder


def test_somebody_elses_folder_is_not_taken_for_it(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Anyone may make a folder of that name in the folder for temporary files, or a link."""
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / f"lethe-{os.getuid()}").symlink_to(tmp_path / "theirs")
    environment.setenv("HOME", "/dev/null/home")
    quiet_environment()
    assert Path(os.environ["PREFECT_HOME"]).parent.name.startswith("lethe-")
    assert not Path(os.environ["PREFECT_HOME"]).resolve().is_relative_to(tmp_path / "theirs")
