"""The one spelling of a domain."""

import pytest

from rybbit.services.domains import normalise_domain


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        (" https://example.com/ ", "example.com"),
        ("HTTP://www.Example.com///", "www.example.com"),
        ("example.com.", "example.com"),
        ("Exämple.com", "xn--exmple-cua.com"),
        ("xn--exmple-cua.com", "xn--exmple-cua.com"),
        ("例え。jp", "xn--r8jz45g.jp"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("r3---sn-x.example.com", "r3---sn-x.example.com"),
        ("xn--i-7iq.ws", "xn--i-7iq.ws"),
        ("123.example", "123.example"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
        (".".join(["a" * 49] * 5) + ".de", ".".join(["a" * 49] * 5) + ".de"),
    ],
)
def test_a_domain_is_kept_in_one_spelling(written: str, kept: str) -> None:
    assert normalise_domain(written) == kept
    assert normalise_domain(kept) == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "http://",
        "localhost",
        "example.com:8080",
        "example.com/blog",
        "user@example.com",
        "https://https://example.com",
        "exa mple.com",
        "exam_ple.com",
        "-a.com",
        "a-.com",
        "a..com",
        ".com",
        "127.0.0.1",
        "[::1]",
        "a" * 64 + ".com",
        ".".join(["a" * 49] * 5) + ".com.x",
        "ä" * 100_000 + ".com",
        "☕.example",
        "\ud800.com",
        "a\0.com",
        "*.example.com",
    ],
)
def test_what_is_no_host_name_with_a_dot_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"host name|IP address"):
        normalise_domain(written)
