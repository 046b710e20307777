"""Other systems' webhooks: what is read of them, and how they show who they are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.domain import Selector
from ledger.errors import NotAuthentic
from systems.intake.demands import Keyed
from systems.intake.genuine import require_genuine
from systems.intake.mapping import Reading, readings
from systems.settings.events import Fields, Scheme, Webhook, load_webhook
from unlearning.errors import PolicyError, UsageError

MAPPINGS = Path(__file__).parents[3] / "docs" / "mappings"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
JANE = "jane@example.com"

FIDES = {
    "privacy_request_id": "pri_1",
    "privacy_request_status": "approved",
    "direction": "one_way",
    "callback_type": "pre",
    "identity": {"email": JANE, "phone_number": None},
    "policy_action": "erasure",
    "timestamp": "2026-03-02T12:00:00Z",
}
TRANSCEND = {
    "type": "ERASURE",
    "coreIdentifier": {"name": "coreIdentifier", "value": "u-1"},
    "extras": {"profile": {"identifier": JANE, "type": "email"}, "request": {"id": "r-1"}},
}
DESK = {
    "action": "erase",
    "case": {
        "number": 7,
        "persons": [{"id": "p-1"}, {"id": "p-2"}],
        "law": "ccpa",
        "opened_at": "2026-03-01T09:00:00Z",
    },
}


def read(name: str, body: Any) -> Keyed | None:
    webhook = load_webhook(MAPPINGS / f"{name}.yaml")
    return Reading.of(webhook, name).read(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("name", "body", "values", "key"),
    [
        ("fides", FIDES, (JANE,), "webhook pri_1"),
        ("transcend", TRANSCEND, (JANE,), f"webhook r-1 {JANE}"),
        ("github-style", DESK, ("p-1", "p-2"), "webhook 7"),
    ],
)
def test_published_formats_are_read(
    name: str, body: Any, values: tuple[str, ...], key: str
) -> None:
    found = read(name, body)
    assert found is not None
    assert (found.demand.selector, found.key) == (Selector("subject", values), key)


def test_law_and_time_are_read_where_the_mapping_has_them() -> None:
    found = read("github-style", DESK)
    assert found is not None and found.demand.jurisdiction == "ccpa"
    assert found.demand.received_at == datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("fides", FIDES | {"policy_action": "access"}),
        ("fides", FIDES | {"callback_type": "post"}),
        ("fides", []),
        ("transcend", TRANSCEND | {"type": "ACCESS"}),
        ("transcend", {}),
        ("github-style", {"action": ["erase"]}),
    ],
)
def test_what_asks_for_no_erasure_is_none(name: str, body: Any) -> None:
    assert read(name, body) is None


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("fides", FIDES | {"identity": {}}),
        ("fides", FIDES | {"identity": {"email": {"value": JANE}}}),
        ("fides", {k: v for k, v in FIDES.items() if k != "privacy_request_id"}),
        ("transcend", TRANSCEND | {"extras": None}),
        ("github-style", DESK | {"case": {"number": 7, "persons": JANE}}),
        ("github-style", DESK | {"case": {"number": [JANE], "persons": [{"id": "p"}]}}),
    ],
)
def test_a_body_without_what_is_needed_is_refused_without_repeating_it(
    name: str, body: Any
) -> None:
    with pytest.raises(UsageError, match=r"expected|cannot be read") as refused:
        read(name, body)
    assert JANE not in str(refused.value)


def test_an_expression_that_is_none_is_refused_when_the_file_is_read(tmp_path: Path) -> None:
    text = (MAPPINGS / "fides.yaml").read_text().replace("privacy_request_id", "pri[")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(PolicyError, match=r"mine.yaml: key: .*JMESPath"):
        readings(tmp_path, ("mine.yaml",))


def test_two_mappings_of_one_source_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text((MAPPINGS / "fides.yaml").read_text())
    with pytest.raises(PolicyError, match="another mapping"):
        readings(tmp_path, ("a.yaml", "b.yaml"))


@pytest.mark.parametrize("change", ["scheme: md5", "scheme: hmac-sha256, encoding: octal"])
def test_a_scheme_that_nobody_knows_is_refused(tmp_path: Path, change: str) -> None:
    text = (MAPPINGS / "fides.yaml").read_text().replace("scheme: token", change)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(PolicyError, match="signature: "):
        readings(tmp_path, ("mine.yaml",))


SECRET = b"a secret of the two of us"
BODY = b'{"type":"ERASURE"}'


def genuine(scheme: Scheme, shown: str, *, body: bytes = BODY, key: bytes | None = SECRET) -> bool:
    webhook = Webhook("desk", scheme, "id", Fields())
    try:
        require_genuine(webhook, {scheme.header: shown}, body, lambda name: key, NOW)
    except NotAuthentic:
        return False
    return True


DIGEST = hmac.new(SECRET, BODY, hashlib.sha256).digest()


@pytest.mark.parametrize(
    ("scheme", "shown"),
    [
        (Scheme("X-S"), DIGEST.hex()),
        (Scheme("X-S", prefix="sha256="), f"sha256={DIGEST.hex()}"),
        (Scheme("X-S", encoding="base64"), base64.b64encode(DIGEST).decode()),
        (Scheme("X-S", "token"), SECRET.decode()),
        (Scheme("X-S", "token", prefix="Bearer "), f"Bearer {SECRET.decode()}"),
    ],
)
def test_each_scheme_knows_its_own_and_nothing_else(scheme: Scheme, shown: str) -> None:
    assert genuine(scheme, shown)
    assert not genuine(scheme, "")
    assert not genuine(scheme, shown[:-1] + ("A" if shown[-1] != "A" else "B"))
    assert not genuine(scheme, shown, key=None)
    assert genuine(scheme, shown, body=BODY + b" ") == (scheme.scheme == "token")


def test_an_empty_key_and_an_empty_header_are_no_match() -> None:
    assert not genuine(Scheme("X-S", "token"), "", key=None)


PRIVATE = ec.generate_private_key(ec.SECP384R1())
PUBLIC = base64.b64encode(
    PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)
JWT = Scheme("X-Sombra-Token", "jwt-es384", audience="us")


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(*, alg: str = "ES384", by: ec.EllipticCurvePrivateKey = PRIVATE, **claims: Any) -> str:
    told = {"aud": "us", "iat": int(NOW.timestamp())} | claims
    said = f"{encoded(json.dumps({'alg': alg}).encode())}.{encoded(json.dumps(told).encode())}"
    r, s = decode_dss_signature(by.sign(said.encode(), ec.ECDSA(SHA384())))
    return f"{said}.{encoded(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"


def ago(**time: float) -> int:
    return int((NOW - timedelta(**time)).timestamp())


def test_a_genuine_token_is_known() -> None:
    assert genuine(JWT, token(), key=PUBLIC)
    assert genuine(JWT, token(aud=["them", "us"], exp=ago(seconds=-5)), key=PUBLIC)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "a.b.c",
        token(alg="none"),
        token(alg="HS256"),
        token(by=ec.generate_private_key(ec.SECP384R1())),
        token(aud="them"),
        token(iat=ago(hours=2)),
        token(exp=ago(seconds=5)),
        token(iat=ago(hours=-2)),
        token(exp="soon"),
        token(exp=10**400),
        token(exp=float("nan")),
        token(iat=None),
        token()[:-4],
        token().rsplit(".", 1)[0] + ".",
    ],
)
def test_any_other_token_is_not(forged: str) -> None:
    assert not genuine(JWT, forged, key=PUBLIC)


def test_a_key_that_is_none_knows_nobody() -> None:
    assert not genuine(JWT, token(), key=b"no key at all")
    assert not genuine(JWT, token(), key=None)
