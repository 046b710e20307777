"""Who may see the pages: whoever knows a token, in the role of its reader, and nobody by trying."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import durable
from ledger.errors import NotAuthentic, WorkspaceBusy
from systems.intake.quotas import OverQuota
from systems.intake.viewing import readers
from systems.intake.viewing.roles import Role
from systems.intake.viewing.signing_in import SESSION, TOKEN, WINDOW, WRONG, SignIn, token_at
from unlearning.errors import InfrastructureError, UsageError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_the_token_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    made = token_at(tmp_path)
    assert token_at(tmp_path) == made and len(made) > 40
    assert (tmp_path / TOKEN).stat().st_mode & 0o777 == 0o600
    (tmp_path / TOKEN).unlink()
    assert token_at(tmp_path) != made
    for emptied in ("", "\n"):
        (tmp_path / TOKEN).write_text(emptied)
        assert len(token_at(tmp_path)) > 40


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!", "Bearer secret", basic("other"), basic("")]
)
def test_nobody_comes_in_without_it(header: str) -> None:
    for owners in ("secret", ""):  # no token is nobody's
        with pytest.raises(NotAuthentic) as caught:
            SignIn(owners).by_header(header, "1.2.3.4")
        assert "secret" not in str(caught.value)


def test_whoever_knows_the_owners_is_an_administrator_under_any_name() -> None:
    assert SignIn("secret").by_header(basic("secret"), "1.2.3.4").role is Role.ADMINISTRATOR


def test_too_many_wrong_ones_make_that_address_wait_and_no_other() -> None:
    now = [0.0]
    sign_in = SignIn("secret", clock=lambda: now[0])
    for _ in range(WRONG):
        with pytest.raises(NotAuthentic):
            sign_in.begin("guess", "1.2.3.4")
    for way in (
        lambda: sign_in.begin("secret", "1.2.3.4"),
        lambda: sign_in.by_header("", "1.2.3.4"),
    ):
        with pytest.raises(OverQuota):
            way()
    sign_in.begin("secret", "5.6.7.8")
    now[0] = WINDOW
    sign_in.begin("secret", "1.2.3.4")


def test_a_reader_has_a_token_of_which_only_a_hash_is_kept(tmp_path: Path) -> None:
    token = readers.add(tmp_path, "dpo", Role.OFFICER, NOW)
    other = readers.add(tmp_path, "audit-7", Role.AUDITOR, NOW)
    kept = (tmp_path / readers.FILE).read_text()
    assert token != other and token not in kept and other not in kept
    assert (tmp_path / readers.FILE).stat().st_mode & 0o777 == 0o600
    sign_in = SignIn("secret", lambda: readers.readers(tmp_path))
    assert sign_in.by_header(basic(token), "1.2.3.4").role is Role.OFFICER
    assert sign_in.begin(other, "1.2.3.4")[1].name == "audit-7"


def test_whoever_is_removed_is_out_at_once(tmp_path: Path) -> None:
    token = readers.add(tmp_path, "dpo", Role.OFFICER, NOW)
    sign_in = SignIn("secret", lambda: readers.readers(tmp_path))
    session, _ = sign_in.begin(token, "1.2.3.4")
    assert sign_in.by_session(session) is not None
    readers.remove(tmp_path, "dpo")
    assert sign_in.by_session(session) is None
    again = readers.add(tmp_path, "dpo", Role.AUDITOR, NOW)
    assert again != token and sign_in.by_session(session) is None
    with pytest.raises(NotAuthentic):
        sign_in.begin(token, "1.2.3.4")


def test_a_session_ends_by_the_clock_and_when_it_is_ended() -> None:
    now = [0.0]
    sign_in = SignIn("secret", clock=lambda: now[0])
    first, second = (sign_in.begin("secret", "1.2.3.4")[0] for _ in range(2))
    assert first != second
    sign_in.end(first)
    assert sign_in.by_session(first) is None and sign_in.by_session(second) is not None
    now[0] = SESSION
    assert sign_in.by_session(second) is None


def test_what_cannot_be_a_reader_is_refused(tmp_path: Path) -> None:
    readers.add(tmp_path, "dpo", Role.OFFICER, NOW)
    for name in ("dpo", "Jane Doe", "", "x" * 41):
        with pytest.raises(UsageError, match="reader"):
            readers.add(tmp_path, name, Role.OFFICER, NOW)
    with pytest.raises(UsageError, match=r"reader ghost: is not known, expected one of: dpo"):
        readers.remove(tmp_path, "ghost")
    assert [one.name for one in readers.readers(tmp_path)] == ["dpo"]


def test_two_changes_at_once_lose_nobody(tmp_path: Path) -> None:
    with durable.only_writer(tmp_path / readers.LOCK), pytest.raises(WorkspaceBusy):
        readers.add(tmp_path, "dpo", Role.OFFICER, NOW)


TYPED = '[{"name": "x", "role": "auditor", "since": "", "sha256": 5}]'


@pytest.mark.parametrize(
    "content",
    ["{", "{}", "[1]", '[{"name": "x"}]', '[{"role": "king"}]', TYPED, "[" * 200_000],
    ids=range(7),
)
def test_a_file_that_was_spoiled_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / readers.FILE).write_text(content)
    with pytest.raises(InfrastructureError, match=r"readers\.json: cannot be understood"):
        SignIn("secret", lambda: readers.readers(tmp_path)).by_header(basic("x"), "1.2.3.4")
