"""No key that was sent can be found in what is shown, however it was written."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rybbit.ingest.masking import HIDDEN, mask, mask_json, secrets_of, shorten_address

KEY = "rb_" + "0123456789abcdef" * 2
QUICK = settings(deadline=None, max_examples=300)


def _masked(text: str, *secrets: str, shorten: bool = False) -> str:
    return mask_json(text, secrets_of(secrets), whole=True, shorten=shorten)


class TestTexts:
    """Texts that are no JSON."""

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("", ""),
            ("/verb_used/rb_12", "/verb_used/rb_12"),
            (f"/a?key={KEY}&b", f"/a?key=rb_{HIDDEN}&b"),
            (KEY.upper(), f"rb_{HIDDEN}"),
            (KEY[:20], f"rb_{HIDDEN}"),
            (KEY.replace("_", "%5F"), HIDDEN),
            (KEY.replace("_", "%255f"), HIDDEN),
            (KEY.replace("1", "\\u0031"), HIDDEN),
            ("100%25", "100%25"),
            ("%" + "25" * 30, HIDDEN),
        ],
    )
    def test_keys(self, text: str, shown: str) -> None:
        assert mask(text) == shown

    def test_other_secrets(self) -> None:
        secrets = secrets_of(["sesame-open", "short", None, "", "sesame-open-wide"])
        assert secrets == ["sesame-open-wide", "sesame-open"]
        assert mask("a sesame-open-wide short", secrets) == f"a {HIDDEN} short"
        assert mask("cut: sesame-op", secrets) == f"cut: {HIDDEN}"
        assert mask("sesame%2Dopen", secrets) == HIDDEN


class TestJson:
    """Bodies."""

    def test_what_is_no_secret_stays_as_it_was_written(self) -> None:
        text = ' { "a" : [ 1.50, "\\u00e9", true ],\n"b":{"c":null} , "d": "x" } '
        assert _masked(text) == text

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ('"open sesame"', f'"{HIDDEN}"'),
            ("12345678", f'"{HIDDEN}"'),
            ("null", "null"),
            ('["a", {"b": "c"}]', f'["{HIDDEN}", {{"b": "{HIDDEN}"}}]'),
        ],
    )
    @pytest.mark.parametrize("name", ["api_key", "apiKey", "API-Key", "\\u0061pi_key", "authorization"])
    def test_members_that_say_so(self, name: str, value: str, shown: str) -> None:
        text = f'{{"{name}": %s, "pathname": "/", "{name}": 1}}'
        assert _masked(text % value) == (text % shown).replace(": 1}", f': "{HIDDEN}"}}')

    def test_names_hold_keys_too(self) -> None:
        assert _masked(f'{{"{KEY}": 1}}') == f'{{"rb_{HIDDEN}": 1}}'

    def test_addresses_are_shortened(self) -> None:
        text = '{"ip_address": "198.51.100.7", "b": "198.51.100.7"}'
        assert _masked(text, shorten=True) == text.replace('"198.51.100.7",', '"198.51.100.0/24",')
        assert _masked(text) == text

    @QUICK
    @given(cut=st.integers(0, 120))
    def test_a_cut_body_shows_no_beginning(self, cut: int) -> None:
        secret = "open-sesame-of-forty-thieves"
        text = json.dumps({"a": secret, "b": KEY, "api_key": secret, "c": f"x{secret}"})[:cut]
        shown = mask_json(text, [secret], whole=False, shorten=False)
        assert secret[:6] not in shown
        assert KEY[3:12] not in shown


_SECRETS = st.sampled_from([KEY, KEY.upper()]) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=8, max_size=40
).filter(lambda text: len(set(text)) > 4)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, str]:
    """A body with a secret in it somewhere, and the secret."""
    secret = draw(_SECRETS)
    wrapped = st.sampled_from(
        [secret, f"Bearer {secret}", f"?k={secret}&x=1", json.dumps({"k": secret}), [secret], {"x": secret}]
    )
    names = st.sampled_from(["api_key", "pathname", "x", "properties", secret])
    body: Any = draw(st.dictionaries(names, wrapped | st.integers() | st.none(), min_size=1, max_size=4))
    text = json.dumps(body, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1)))
    return text, secret


@QUICK
@given(sent=bodies())
def test_no_key_survives(sent: tuple[str, str]) -> None:
    text, secret = sent
    masked = _masked(text, secret)
    assert secret not in masked
    assert secret not in json.dumps(json.loads(masked), ensure_ascii=False)
    assert KEY[3:11] not in masked.lower()


@QUICK
@given(text=st.text(max_size=200) | st.text('"\\{}[]:,u0 a_piky', max_size=60))
def test_any_text_is_taken(text: str) -> None:
    mask_json(text, [], whole=False, shorten=True)
    mask_json(text, ["12345678"], whole=True, shorten=True)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("10.0.0.7", "10.0.0.7"),
        ("::1", "::1"),
        ("", ""),
        ("unknown", "unknown"),
        ("198.51.100.7x", HIDDEN),
        ("2001:db8::zz", HIDDEN),
        ("198.51.100.7:80", HIDDEN),
    ],
)
def test_shortened_addresses(address: str, shown: str) -> None:
    assert shorten_address(address) == shown
