"""service.yaml: optional as a whole and in its parts, strict in what it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from systems.settings.checking import build
from systems.settings.service import FILE, Ports, Schedules, Service, load_service
from unlearning.errors import PolicyError


def written(root: Path, text: str) -> Path:
    (root / FILE).write_text(text)
    return root


def test_without_a_file_every_default_holds(tmp_path: Path) -> None:
    assert load_service(tmp_path) == Service()
    assert Service().host == "127.0.0.1", "nobody else is served unless somebody says so"


def test_what_is_named_differs_and_the_rest_stays(tmp_path: Path) -> None:
    found = load_service(written(tmp_path, "ports: {http: 9000}\nschedules: {audit: null}\n"))
    assert found.ports == Ports(http=9000)
    assert found.schedules == Schedules(audit=None)
    assert found.timeouts == Service().timeouts


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prots: {http: 1}", "unknown key 'prots'"),
        ("ports: {htpp: 1}", "service.yaml: ports: unknown key 'htpp'"),
        ("ports: {http: 70000}", "ports.http: got 70000"),
        ("ports: {http: '8000'}", "ports.http: got '8000', expected a whole number"),
        ("ports: 8000", "ports: got 8000, expected the keys http, prefect, mlflow"),
        ("schedules: {forget: nightly}", "schedules.forget: got 'nightly', expected five fields"),
        ("timeouts: {stop: 0}", "timeouts.stop: got 0"),
        ("host: ''", "host: got ''"),
        ("witness: {at: [relative/x]}", "witness.at: got 'relative/x'"),
        ("witness: {at: ['s3:///x']}", "witness.at: got 's3:///x'"),
        ("connectors: [{name: a, at: /x}, {name: a, at: /y}]", "two have the same name"),
        ("connectors: [{name: a, at: x}]", "connectors: at of a"),
        ("- 1", "expected keys and values"),
    ],
)
def test_what_it_may_not_hold_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(PolicyError) as problem:
        load_service(written(tmp_path, text))
    assert named in str(problem.value)
    assert problem.value.exit_code == 2


@dataclass(frozen=True)
class Endpoint:
    url: str
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sections:
    endpoints: tuple[Endpoint, ...] = ()
    queue: Endpoint | None = None


def test_a_section_may_be_a_list_or_absent() -> None:
    tree = {"endpoints": [{"url": "https://a", "states": ["complete"]}], "queue": None}
    found = build(Sections, tree, "f", defaults=True)
    assert found == Sections((Endpoint("https://a", ("complete",)),), None)
    assert build(Sections, {"queue": {"url": "q"}}, "f", defaults=True).queue == Endpoint("q")
    with pytest.raises(PolicyError, match=r"f: endpoints\[0\].url: got nothing"):
        build(Sections, {"endpoints": [{}]}, "f", defaults=True)
    with pytest.raises(PolicyError, match=r"f: endpoints: got 'x', expected a list"):
        build(Sections, {"endpoints": "x"}, "f", defaults=True)


def test_a_file_of_comments_alone_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text("# ports: {http: 1}\n\n")
    assert load_service(tmp_path) == Service()
