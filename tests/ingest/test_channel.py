"""URL parameters, referrers and the channel that follows from them."""

import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit.ingest.channel import (
    CHANNELS,
    Query,
    classify,
    is_self_referral,
    referrer_domain,
    split_query,
)

SITE = "example.com"


def _channel(querystring: str = "", referrer: str = "") -> str:
    return classify(
        query=split_query(querystring), referrer_host=referrer_domain(referrer), hostname="www." + SITE
    )


@pytest.mark.parametrize("querystring", ["", "?"])
def test_no_query(querystring: str) -> None:
    assert split_query(querystring) == Query()


@pytest.mark.parametrize("mark", ["", "?"])
def test_utm_parameters_and_the_others(mark: str) -> None:
    query = split_query(
        mark + "utm_source=a+b&utm_medium=%63pc&utm_campaign=x%26y&utm_term=%C3%A9&utm_content=c"
        "&ref=1&Q=%3F&gclid=z"
    )
    assert query == Query(
        utm_source="a b",
        utm_medium="cpc",
        utm_campaign="x&y",
        utm_term="é",
        utm_content="c",
        click_id="gclid",
        parameters={"ref": "1", "Q": "?", "gclid": "z"},
    )


@pytest.mark.parametrize(
    ("querystring", "parameters"),
    [
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1&a=2", {"a": "1"}),
        ("A=1&a=2", {"A": "1", "a": "2"}),
        ("&&a=1&&", {"a": "1"}),
        ("=1&a=2", {"a": "2"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("??a=1", {"?a": "1"}),
        ("a=%zz%4", {"a": "%zz%4"}),
        ("a=%ff%fe", {"a": "\ufffd\ufffd"}),
        ("a=%00b%00", {"a": "\ufffdb\ufffd"}),
        ("a\0=b", {"a\ufffd": "b"}),
        ("a=\ud800", {"a": "\ufffd"}),
        ("a=%ED%A0%80", {"a": "\ufffd\ufffd\ufffd"}),
        ("%75tm_source=1", {}),
        ("größe=ü", {"größe": "ü"}),
        ("a=💥%F0%9F%92%A5", {"a": "💥💥"}),
    ],
)
def test_odd_queries(querystring: str, parameters: dict[str, str]) -> None:
    assert split_query(querystring).parameters == parameters


def test_utm_names_in_any_case_and_the_first_that_says_something() -> None:
    query = split_query("UTM_Source= &utm_source=%20first+&utm_source=second&utm_id=7")
    assert query.utm_source == "first"
    assert query.parameters == {"utm_id": "7"}


@pytest.mark.parametrize(
    ("querystring", "click_id"),
    [
        ("fbclid=1", "fbclid"),
        ("fbclid=1&gclid=2", "gclid"),
        ("srsltid=1&fbclid=2", "srsltid"),
        ("ScCid=1", "sccid"),
        ("gclid=", ""),
        ("gclidx=1", ""),
    ],
)
def test_click_ids(querystring: str, click_id: str) -> None:
    assert split_query(querystring).click_id == click_id


@given(st.text(max_size=300) | st.text(alphabet="%&=?+;0123456789abcdefEDutm_source\0\ud800é", max_size=300))
def test_any_query_can_be_stored(querystring: str) -> None:
    query = split_query(querystring)
    utm = [query.utm_source, query.utm_medium, query.utm_campaign, query.utm_term, query.utm_content]
    for text in [*utm, *query.parameters, *query.parameters.values()]:
        text.encode()
        assert "\0" not in text
    assert classify(query=query, referrer_host="", hostname=SITE) in CHANNELS


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.text("aä +&=%")
    )
)
def test_what_browsers_encode_comes_back(parameters: dict[str, str]) -> None:
    parameters = {name: value for name, value in parameters.items() if not name.lower().startswith("utm_")}
    assert split_query("?" + urlencode(parameters)).parameters == parameters
    by_percent = "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items())
    assert split_query(by_percent).parameters == parameters


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.google.com/search?q=x", "google.com"),
        ("HTTP://WWW.Example.ORG:8080", "example.org"),
        ("https://example.org.", "example.org"),
        ("https://user:p@ss@example.org/x", "example.org"),
        ("https://example.org?x@evil.com", "example.org"),
        ("https://example.org#@evil.com", "example.org"),
        ("https://example.org\\@evil.com", "example.org"),
        ("//example.org/x", "example.org"),
        ("example.org/x", "example.org"),
        ("example.org:8080", "example.org"),
        (" https://example.org ", "example.org"),
        ("http://localhost:3000/", "localhost"),
        ("http://203.0.113.9/", "203.0.113.9"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("https://münchen.example/", "xn--mnchen-3ya.example"),
        ("https://wwwhat.org", "wwwhat.org"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("android-app://com.Slack", "com.slack"),
        ("", ""),
        ("/pricing", ""),
        ("direct", ""),
        ("about:blank", ""),
        ("data:text/html,x.y", ""),
        ("mailto:somebody@example.org", ""),
        ("javascript:alert(1.5)", ""),
        ("chrome-extension://abcdef/x.html", ""),
        ("file:///etc/hostname.d", ""),
        ("ftp://example.org/", ""),
        ("https://", ""),
        ("https:///path", ""),
        ("https://exa mple.org/", ""),
        ("https://<script>.org/", ""),
        ("https://a..b/", ""),
        ("https://.example.org/", ""),
        ("https://[::1", ""),
        ("https://example.org:port/", ""),
        ("https://" + "a" * 300 + ".org/", ""),
        ("https://" + "ü" * 200 + ".org/", ""),
        ("https://\ud800.org/", ""),
        ("https://exa\0mple.org/", ""),
    ],
)
def test_referrer_domains(referrer: str, host: str) -> None:
    assert referrer_domain(referrer) == host


@given(st.text(max_size=600) | st.text(alphabet="htps:/@.[]?#\\w-é\ud800\0", max_size=600))
def test_any_referrer_gives_a_host_or_nothing(referrer: str) -> None:
    host = referrer_domain(referrer)
    assert host.isascii()
    assert host == host.lower()
    assert len(host) <= 253
    assert not set(host) & set("/?#@\\ \0")


@pytest.mark.parametrize("piece", ["@", ".", "a.", "a@", ":", "https://", "ü.", "[", "a:1@"])
def test_hostile_referrers_take_milliseconds(piece: str) -> None:
    for prefix in ("", "https://"):
        started = time.thread_time()
        referrer_domain(prefix + piece * (2048 // len(piece)) + " ")
        assert time.thread_time() - started < 0.1


@pytest.mark.parametrize(
    ("host", "is_self"),
    [
        ("example.com", True),
        ("shop.example.com", True),
        ("www.example.com", True),
        ("staging.test", True),
        ("www.staging.test", True),
        ("app.staging.test", False),
        ("badexample.com", False),
        ("example.com.evil.org", False),
        ("com", False),
        ("", False),
    ],
)
def test_self_referrals(host: str, is_self: bool) -> None:
    for domain in ("example.com", "www.Example.com"):
        assert is_self_referral(host, domain, "WWW.staging.test") is is_self


def test_a_site_without_a_domain_refers_to_nothing() -> None:
    assert not is_self_referral("example.com", "", "")
    assert not is_self_referral("example.com", "", "com")


@pytest.mark.parametrize(
    ("referrer", "channel"),
    [
        ("", "Direct"),
        ("https://www.example.com/pricing", "Direct"),
        ("https://www.google.com/", "Organic Search"),
        ("https://google.co.uk/", "Organic Search"),
        ("https://www.google.com.br/", "Organic Search"),
        ("https://yandex.ru/", "Organic Search"),
        ("https://search.yahoo.co.jp/", "Organic Search"),
        ("https://cn.bing.com/", "Organic Search"),
        ("https://duckduckgo.com/", "Organic Search"),
        ("https://search.brave.com/", "Organic Search"),
        ("android-app://com.google.android.googlequicksearchbox/", "Organic Search"),
        ("https://brave.com/", "Referral"),
        ("https://google.evil.org/", "Referral"),
        ("https://notgoogle.com/", "Referral"),
        ("https://google.com.evil.org/", "Referral"),
        ("https://docs.google.com/", "Referral"),
        ("https://aws.amazon.com/", "Referral"),
        ("https://en.wikipedia.org/", "Referral"),
        ("http://203.0.113.9/", "Referral"),
        ("http://[2001:db8::1]/", "Referral"),
        ("https://l.facebook.com/", "Organic Social"),
        ("https://t.co/abc", "Organic Social"),
        ("https://x.com/", "Organic Social"),
        ("https://netflix.com/", "Organic Video"),
        ("https://old.reddit.com/", "Organic Social"),
        ("https://news.ycombinator.com/", "Organic Social"),
        ("https://www.pinterest.de/", "Organic Social"),
        ("https://m.youtube.com/", "Organic Video"),
        ("https://www.amazon.de/", "Organic Shopping"),
        ("https://www.ebay.com.au/", "Organic Shopping"),
        ("https://shopping.google.com/", "Organic Shopping"),
        ("https://mail.google.com/", "Email"),
        ("https://mail.example.org/", "Email"),
        ("https://outlook.live.com/", "Email"),
        ("android-app://com.google.android.gm/", "Email"),
        ("https://chatgpt.com/", "AI"),
        ("https://www.perplexity.ai/", "AI"),
        ("https://gemini.google.com/", "AI"),
        ("https://edgeservices.bing.com/", "AI"),
    ],
)
def test_the_referrer_decides_where_nothing_else_does(referrer: str, channel: str) -> None:
    assert _channel(referrer=referrer) == channel
    assert _channel("ref=whatever&page=2", referrer) == channel


@pytest.mark.parametrize(
    ("querystring", "channel"),
    [
        ("utm_source=google&utm_medium=cpc", "Paid Search"),
        ("utm_source=Google&utm_medium=CPC", "Paid Search"),
        ("utm_source=bing&utm_medium=ppc", "Paid Search"),
        ("utm_source=www.google.com&utm_medium=paid", "Paid Search"),
        ("utm_source=facebook&utm_medium=cpc", "Paid Social"),
        ("utm_source=fb&utm_medium=paid_social", "Paid Social"),
        ("utm_source=acme&utm_medium=paid-social", "Paid Social"),
        ("utm_source=linkedin.com&utm_medium=cpm", "Paid Social"),
        ("utm_source=youtube&utm_medium=cpv", "Paid Video"),
        ("utm_source=youtube&utm_medium=cpc", "Paid Video"),
        ("utm_source=amazon&utm_medium=cpc", "Paid Shopping"),
        ("utm_source=google&utm_medium=cpc&utm_campaign=spring_shopping", "Paid Shopping"),
        ("utm_source=google&utm_medium=cpc&utm_campaign=Workshop", "Paid Search"),
        ("utm_source=chatgpt&utm_medium=cpc", "Paid AI"),
        ("utm_source=acme&utm_medium=cpc", "Paid Unknown"),
        ("utm_source=newsletter&utm_medium=cpc", "Paid Unknown"),
        ("utm_medium=retargeting", "Paid Unknown"),
        ("utm_source=acme&utm_medium=cpm", "Display"),
        ("utm_source=google&utm_medium=display", "Display"),
        ("utm_medium=banner&gclid=1", "Display"),
        ("utm_source=google&utm_medium=cpc&utm_campaign=x-Cross-Network-y", "Cross-Network"),
        ("utm_source=google-ads", "Paid Search"),
        ("utm_source=facebook_ads", "Paid Social"),
        ("utm_source=adwords", "Paid Search"),
        ("utm_source=roads", "Unknown"),
        ("utm_source=newsletter", "Email"),
        ("utm_source=facebook&utm_medium=email", "Email"),
        ("utm_source=google&utm_medium=e_mail", "Email"),
        ("utm_medium=e%20mail", "Email"),
        ("utm_source=facebook", "Organic Social"),
        ("utm_source=ig&utm_medium=story", "Organic Social"),
        ("utm_source=acme&utm_medium=social_network", "Organic Social"),
        ("utm_source=acme&utm_medium=organic-social", "Organic Social"),
        ("utm_source=t.co", "Organic Social"),
        ("utm_source=acme&utm_medium=video", "Organic Video"),
        ("utm_source=youtube", "Organic Video"),
        ("utm_source=google&utm_medium=organic", "Organic Search"),
        ("utm_medium=organic", "Organic Search"),
        ("utm_source=facebook&utm_medium=organic", "Organic Social"),
        ("utm_source=etsy", "Organic Shopping"),
        ("utm_source=acme&utm_campaign=shop", "Organic Shopping"),
        ("utm_source=chatgpt.com", "AI"),
        ("utm_source=acme&utm_medium=llm", "AI"),
        ("utm_source=acme&utm_medium=affiliate", "Affiliate"),
        ("utm_source=partner.org&utm_medium=referral", "Referral"),
        ("utm_source=partner.org", "Referral"),
        ("utm_source=partner&utm_medium=link", "Referral"),
        ("utm_source=partner&utm_medium=app", "Referral"),
        ("utm_source=sms", "SMS"),
        ("utm_source=firebase", "Push"),
        ("utm_source=e_mail", "Email"),
        ("utm_source=e%20mail", "Email"),
        ("utm_medium=audio", "Audio"),
        ("utm_medium=sms", "SMS"),
        ("utm_medium=web-push", "Push"),
        ("utm_medium=notification", "Push"),
        ("utm_source=acme", "Unknown"),
        ("utm_campaign=acme", "Unknown"),
        ("utm_source=(direct)&utm_medium=(none)", "Direct"),
        ("utm_source=&utm_medium=", "Direct"),
        ("gclid=1", "Paid Search"),
        ("gbraid=1", "Paid Search"),
        ("wbraid=1", "Paid Search"),
        ("msclkid=1", "Paid Search"),
        ("ttclid=1", "Paid Social"),
        ("twclid=1", "Paid Social"),
        ("li_fat_id=1", "Paid Social"),
        ("dclid=1", "Display"),
        ("gclid=1&utm_source=youtube", "Paid Video"),
        ("gclid=1&utm_medium=email", "Email"),
        ("gclid=1&utm_campaign=shop", "Paid Shopping"),
        ("fbclid=1", "Organic Social"),
        ("fbclid=1&utm_medium=paid", "Paid Social"),
        ("fbclid=1&utm_source=newsletter", "Email"),
        ("srsltid=1", "Organic Shopping"),
        ("mc_eid=1", "Email"),
    ],
)
def test_tags_and_click_ids(querystring: str, channel: str) -> None:
    assert _channel(querystring) == channel


@pytest.mark.parametrize(
    ("querystring", "referrer", "channel"),
    [
        ("utm_source=acme&utm_medium=cpc", "https://www.google.com/", "Paid Search"),
        ("utm_medium=paid", "https://www.instagram.com/", "Paid Social"),
        ("gclid=1", "https://www.youtube.com/", "Paid Video"),
        ("gclid=1", "https://www.google.com/", "Paid Search"),
        ("fbclid=1", "https://news.example.org/", "Organic Social"),
        ("utm_medium=email", "https://www.google.com/", "Email"),
        ("utm_source=acme", "https://www.google.com/", "Organic Search"),
        ("utm_campaign=acme", "https://news.example.org/", "Referral"),
        ("utm_source=acme", "https://www.example.com/", "Unknown"),
    ],
)
def test_tags_before_the_referrer(querystring: str, referrer: str, channel: str) -> None:
    assert _channel(querystring, referrer) == channel


_TAGS = st.sampled_from(
    ["", "google", "facebook", "acme", "cpc", "email", "display", "organic", "x.org", "cpm", "é"]
)


@given(
    st.fixed_dictionaries({"utm_source": _TAGS, "utm_medium": _TAGS, "utm_campaign": _TAGS}),
    st.sampled_from(["", "gclid", "fbclid", "dclid", "mc_cid", "other"]),
    st.text(max_size=20) | st.sampled_from(["https://google.com", "https://youtube.com", "https://a.org"]),
)
def test_every_combination_has_a_channel(tags: dict[str, str], click_id: str, referrer: str) -> None:
    query = urlencode({**tags, **({click_id: "1"} if click_id else {})})
    assert _channel(query, referrer) in CHANNELS


def test_long_tags_decide_nothing_and_cost_nothing() -> None:
    started = time.thread_time()
    for number in range(1000):
        _channel(f"utm_source={number}{'a.' * 900}&utm_medium={'b' * 200}", "https://a.org")
    assert time.thread_time() - started < 1
