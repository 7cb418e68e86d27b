"""Tokens, ids and passwords."""

import re

import pytest

from rybbit import security


def test_a_key_has_the_contracts_form_and_is_never_the_same() -> None:
    keys = {security.make_key() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert all(re.fullmatch(r"rb_[0-9a-f]{32}", key) for key in keys)
    assert all(security.looks_like_key(key) for key in keys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rb_",
        "rb_" + "a" * 31,
        "rb_" + "a" * 33,
        "rb_" + "A" * 32,
        "xx_" + "a" * 32,
        "rb_" + "a" * 32 + "\n",
    ],
)
def test_what_is_no_key(text: str) -> None:
    assert not security.looks_like_key(text)


def test_a_keys_hash_is_sha256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert security.hash_key("abc") == expected


def test_a_text_that_is_no_unicode_can_be_hashed_and_compared() -> None:
    assert security.hash_key("\ud800") != security.hash_key("\ud801")
    assert not security.is_same("\ud800", "a")


def test_a_site_id_is_12_hex_with_a_letter() -> None:
    ids = [security.make_site_id() for _ in range(2_000)]
    assert all(re.fullmatch(r"[0-9a-f]{12}", each) and re.search("[a-f]", each) for each in ids)


def test_a_site_id_that_some_take_for_a_number_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = iter(["123456789012", "000000000000", "12345678e901", "1e2345678901", "12345678901f"])
    monkeypatch.setattr("rybbit.security.secrets.token_hex", lambda _: next(offers))
    assert security.make_site_id() == "12345678901f"


def test_an_id_carries_its_prefix() -> None:
    assert re.fullmatch(r"org_[0-9a-f]{24}", security.make_id("org"))


def test_a_password_that_was_made_up_can_be_typed() -> None:
    passwords = {security.make_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(re.fullmatch(r"([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}", each) for each in passwords)


def test_a_password_is_checked_against_its_hash() -> None:
    kept = security.hash_password("correct horse")
    assert kept.startswith("$argon2id$")
    assert security.check_password("correct horse", kept)
    assert not security.check_password("Correct horse", kept)
    assert kept != security.hash_password("correct horse")


@pytest.mark.parametrize("kept", [None, "", "no hash at all", "$argon2id$v=19$m=8"])
def test_without_a_proper_hash_no_password_fits(kept: str | None) -> None:
    assert not security.check_password("anything", kept)


def test_a_hash_of_weaker_parameters_is_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = security.hash_password("correct horse")
    assert not security.is_outdated(weak)
    monkeypatch.undo()
    assert security.is_outdated(weak)
    assert security.check_password("correct horse", weak)
