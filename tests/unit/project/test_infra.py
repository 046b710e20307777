"""infra/ by what can be checked without an engine: no daemon here starts what these files describe.

What they say is held to rules that a cluster would not tell before it is too late: nothing runs as
root, every image is a version, nothing but the intake is published, secrets are files that exist.
"""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
INFRA = ROOT / "infra"
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MANIFESTS = [
    document
    for path in sorted((INFRA / "kubernetes").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "lethe"}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every manifest that makes pods by itself; patches of one name it again and add to it."""
    for one in MANIFESTS:
        spec = one.get("spec", {}).get("template", {}).get("spec")
        if spec and "securityContext" in spec:
            yield one["metadata"]["name"], spec


def test_every_image_is_a_version_or_built_here() -> None:
    images = [one["image"] for one in SERVICES.values()]
    images += [box["image"] for _, spec in pods() for box in spec["containers"]]
    images += re.findall(r"^FROM (\S+)", (INFRA / "Dockerfile").read_text(), re.MULTILINE)
    for image in images:
        assert image == "lethe" or re.search(r":\S*\d", image), image
        assert not image.endswith(":latest")


def test_what_compose_names_is_there() -> None:
    for name, one in SERVICES.items():
        assert set(one.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(one.get("depends_on", {})) <= set(SERVICES), name
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            there = source in COMPOSE["volumes"] or (INFRA / source).exists()
            assert there or source == "./import", volume


def test_every_condition_can_be_met() -> None:
    """Who waits for another's health needs one that can tell."""
    for one in SERVICES.values():
        for name, wanted in one.get("depends_on", {}).items():
            healthy = wanted["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in SERVICES[name], name


def test_nothing_but_the_intake_is_published() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    for name, ports in published.items():
        for port in ports:
            assert name == "lethe" or port.startswith("127.0.0.1:"), (name, port)
    assert published["lethe"] == ["8080:8080"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_may_do_nothing_that_they_need_not(name: str) -> None:
    one = OURS[name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in one["security_opt"]
    assert "privileged" not in one


def test_no_password_stands_in_a_file_that_is_committed() -> None:
    """They come as files; a variable of the shell in a command is doubled for compose."""
    for name, one in SERVICES.items():
        for variable, value in (one.get("environment") or {}).items():
            secret = re.search(r"PASSWORD|SECRET|AUTH_STRING|_KEY$", variable)
            assert not secret or variable.endswith("_FILE"), (name, variable)
            assert "://lethe:" not in str(value)
        for text in one.get("command", ()) if isinstance(one.get("command"), list) else ():
            assert not re.search(r"(?<!\$)\$(?![$])", text), (name, text)


def test_the_image_is_nobody_of_consequence_and_takes_what_the_lock_names() -> None:
    text = (INFRA / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM") :]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert text.count("--require-hashes -r requirements.lock") == 1
    assert not re.search(r"^ADD ", text, re.MULTILINE)


def test_nothing_of_a_workspace_gets_into_the_image() -> None:
    """The root of the checkout may be a workspace, so what git ignores is not sent along."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    made = re.findall(r"^/(\w+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    assert {name for name in made if name not in ignored} == set()
    assert ".dvc/cache" in ignored


def test_pods_run_as_nobody_and_say_what_they_need() -> None:
    found = list(pods())
    assert found
    for name, spec in found:
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["automountServiceAccountToken"] is False
        for box in spec["containers"]:
            own = box["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= box["resources"].keys()
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= box.keys()
            mounted = {mount["name"] for mount in box["volumeMounts"]}
            assert mounted <= volumes_of(name) | {one["name"] for one in spec["volumes"]}


def volumes_of(name: str) -> set[str]:
    claims = (one["spec"].get("volumeClaimTemplates", ()) for one in named("StatefulSet", name))
    return {claim["metadata"]["name"] for made in claims for claim in made}


def named(kind: str, name: str) -> list[dict[str, Any]]:
    return [m for m in MANIFESTS if (m["kind"], m.get("metadata", {}).get("name")) == (kind, name)]


def test_one_writer_has_the_workspace() -> None:
    whole = next(m for m in named("StatefulSet", "lethe") if "replicas" in m["spec"])
    assert whole["spec"]["replicas"] == 1
    (claim,) = whole["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_selectors_find_their_pods() -> None:
    whole = next(m for m in named("StatefulSet", "lethe") if "replicas" in m["spec"])
    labels = whole["spec"]["template"]["metadata"]["labels"]
    assert whole["spec"]["selector"]["matchLabels"] == labels
    (service,) = named("Service", "lethe")
    assert service["spec"]["selector"] == labels
    ports = {port["name"] for port in whole["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_kustomizations_name_files_that_are_there() -> None:
    for path in (INFRA / "kubernetes").rglob("kustomization.yaml"):
        tree = yaml.safe_load(path.read_text())
        names = [*tree["resources"], *(patch["path"] for patch in tree.get("patches", ()))]
        for name in names:
            assert (path.parent / name).exists(), name


def test_passwords_are_drawn_once_and_are_nobody_elses(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((INFRA / "secrets.sh").read_bytes())
    subprocess.run(["sh", script], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert all(made.values())
    assert len({made["postgres_password"], made["store_password"], made["mlflow_password"]}) == 3
    assert len(made["postgres_password"]) == 48
    mode = stat.S_IMODE((tmp_path / "secrets").stat().st_mode)
    assert mode & 0o066 == 0  # nobody else can list it
    subprocess.run(["sh", script], check=True)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
