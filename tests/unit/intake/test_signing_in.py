"""Who may see the pages: whoever knows the token, and nobody by trying."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ledger.errors import NotAuthentic
from systems.intake.quotas import OverQuota
from systems.intake.signing_in import TOKEN, WINDOW, WRONG, SignIn, token_at


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_the_token_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    made = token_at(tmp_path)
    assert token_at(tmp_path) == made and len(made) > 40
    assert (tmp_path / TOKEN).stat().st_mode & 0o777 == 0o600
    (tmp_path / TOKEN).unlink()
    assert token_at(tmp_path) != made


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic !!", "Bearer secret", basic("other"), basic("")]
)
def test_nobody_comes_in_without_it(header: str | None) -> None:
    with pytest.raises(NotAuthentic) as caught:
        SignIn("secret").check(header, "1.2.3.4")
    assert "secret" not in str(caught.value)


def test_whoever_knows_it_comes_in_under_any_name() -> None:
    SignIn("secret").check(basic("secret"), "1.2.3.4")


def test_too_many_wrong_ones_make_that_address_wait_and_no_other() -> None:
    now = [0.0]
    sign_in = SignIn("secret", lambda: now[0])
    for _ in range(WRONG):
        with pytest.raises(NotAuthentic):
            sign_in.check(basic("guess"), "1.2.3.4")
    with pytest.raises(OverQuota):
        sign_in.check(basic("secret"), "1.2.3.4")
    sign_in.check(basic("secret"), "5.6.7.8")
    now[0] = WINDOW
    sign_in.check(basic("secret"), "1.2.3.4")


def test_a_browser_that_has_not_asked_yet_has_not_guessed() -> None:
    sign_in = SignIn("secret")
    for _ in range(2 * WRONG):
        with pytest.raises(NotAuthentic):
            sign_in.check(None, "1.2.3.4")
    sign_in.check(basic("secret"), "1.2.3.4")
