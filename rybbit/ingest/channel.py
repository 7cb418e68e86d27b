"""How a visitor came: URL parameters, the referrer's domain, and the channel that both add up to.

The channels and their order are those of Google Analytics 4's default channel group
(https://support.google.com/analytics/answer/9756891), under the names that Rybbit's dashboard shows
("Affiliate", "Push", "Paid Unknown"), with its channels for AI assistants
(https://rybbit.com/blog/track-chatgpt-traffic). We leave Google's rules in three places:
- a medium that names a channel (`utm_medium=email`) outweighs the source (`utm_source=google`);
- click ids count, as Google counts its own: those of advertisements make a visit paid, the others
  (`fbclid`) only tell where it came from; a medium that names a channel outweighs them too;
- tags that tell nothing leave the referrer to decide, and without one the channel is "Unknown",
  which Google calls "Unassigned".
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_plus

_UTM_NAMES = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"})
_LONGEST_TAG = 100
_LONGEST_REFERRER = 512
_LONGEST_HOST = 253

_ORGANIC = {
    "search": "Organic Search",
    "social": "Organic Social",
    "video": "Organic Video",
    "shopping": "Organic Shopping",
    "email": "Email",
    "ai": "AI",
}
_PAID = {
    "search": "Paid Search",
    "social": "Paid Social",
    "video": "Paid Video",
    "shopping": "Paid Shopping",
    "display": "Display",
    "ai": "Paid AI",
}

CHANNELS = frozenset(_ORGANIC.values()) | frozenset(_PAID.values())
CHANNELS |= {
    "Direct",
    "Referral",
    "Affiliate",
    "Audio",
    "SMS",
    "Push",
    "Cross-Network",
    "Paid Unknown",
    "Unknown",
}
"""Every channel there is."""

_PAID_CLICKS = {
    **dict.fromkeys(("gclid", "gbraid", "wbraid", "gad_source", "msclkid", "yclid"), "search"),
    **dict.fromkeys(("ttclid", "twclid", "li_fat_id", "sccid", "rdt_cid", "qclid", "epik"), "social"),
    **dict.fromkeys(("dclid", "tblci", "obclid", "dicbo"), "display"),
}
"""Click ids that advertising networks add to the links of their advertisements."""

_OTHER_CLICKS = {
    **dict.fromkeys(("fbclid", "igshid", "igsh"), "social"),
    **dict.fromkeys(("mc_cid", "mc_eid", "_hsenc", "_hsmi", "_kx"), "email"),
    "srsltid": "shopping",
    "ysclid": "search",
}
"""Click ids that are also added to links nobody paid for."""

_CLICKS = {**_PAID_CLICKS, **_OTHER_CLICKS}

_NO_TAGS = frozenset({"direct", "(direct)", "none", "(none)", "(not set)", "null", "undefined"})
_DISPLAY_MEDIUMS = frozenset({"display", "banner", "expandable", "interstitial", "cpm", "programmatic"})
_MEDIUMS = {
    **dict.fromkeys(_DISPLAY_MEDIUMS, "Display"),
    **dict.fromkeys(("social", "social-network", "social-media", "sm"), "Organic Social"),
    **dict.fromkeys(("email", "e-mail", "newsletter"), "Email"),
    **dict.fromkeys(("affiliate", "affiliates"), "Affiliate"),
    **dict.fromkeys(("audio", "podcast"), "Audio"),
    **dict.fromkeys(("ai", "ai-chat", "chatbot", "llm", "ai-assistant", "gen-ai", "ai-search"), "AI"),
    "sms": "SMS",
}
_WEAK_MEDIUMS = {"organic": "Organic Search", **dict.fromkeys(("referral", "app", "link"), "Referral")}
"""Mediums that say less than a known source or click id does."""

_NAMED_SOURCES = {"sms": "SMS", "firebase": "Push"}
"""Sources that are a channel of their own."""

_SHOP_CAMPAIGN = re.compile(r"(?<![a-df-z])shop|shopping")
_ADS_SOURCE = re.compile(r"(.+?)[-_ ]?ads?")

_SOURCES = {
    "search": """google bing yahoo duckduckgo ddg yandex baidu ecosia qwant startpage brave kagi naver seznam
        sogou ask aol adwords""",
    "social": """facebook fb instagram ig meta twitter x threads linkedin tiktok reddit pinterest snapchat
        whatsapp telegram discord mastodon bluesky bsky tumblr quora vk weibo wechat hackernews hn producthunt
        xing nextdoor""",
    "video": "youtube yt vimeo twitch dailymotion bilibili rumble kick",
    "shopping": """amazon ebay etsy walmart aliexpress alibaba mercadolibre shopee lazada rakuten temu
        flipkart""",
    "email": """email e-mail e_mail newsletter mailchimp klaviyo sendgrid mailgun brevo sendinblue convertkit
        mailerlite activecampaign constantcontact substack beehiiv gmail outlook""",
    "ai": "chatgpt openai claude anthropic perplexity gemini copilot deepseek grok mistral poe phind bard",
}
"""What people write into `utm_source` when they do not write a host name."""

_HOSTS = {
    "search": """duckduckgo.com ecosia.org qwant.com startpage.com search.brave.com kagi.com mojeek.com
        swisscows.com seznam.cz ask.com dogpile.com ya.ru coccoc.com daum.net rambler.ru lycos.com excite.com
        info.com metager.org metager.de presearch.com presearch.io yep.com petalsearch.com so.com sogou.com
        sm.cn naver.com search.aol.com aol.com webcrawler.com virgilio.it search.marginalia.nu lilo.org
        syndicatedsearch.goog com.google.android.googlequicksearchbox""",
    "social": """facebook.com fb.com fb.me messenger.com instagram.com threads.net threads.com twitter.com
        x.com t.co linkedin.com lnkd.in reddit.com redd.it pin.it tumblr.com umblr.com vk.com vk.ru ok.ru
        weibo.com weibo.cn quora.com medium.com bsky.app mastodon.social mastodon.online mstdn.social
        fosstodon.org hachyderm.io news.ycombinator.com lobste.rs discord.com telegram.org t.me whatsapp.com
        wa.me snapchat.com line.me kakao.com xing.com nextdoor.com producthunt.com slashdot.org flipboard.com
        meetup.com goodreads.com deviantart.com livejournal.com plurk.com mixi.jp douban.com zhihu.com
        xiaohongshu.com hatena.ne.jp ameblo.jp gab.com truthsocial.com lemmy.world disqus.com tiktok.com
        douyin.com tieba.baidu.com blog.naver.com cafe.naver.com weixin.qq.com com.facebook.katana
        com.facebook.orca com.instagram.android com.instagram.barcelona com.twitter.android
        com.linkedin.android com.reddit.frontpage com.pinterest com.snapchat.android com.zhiliaoapp.musically
        org.telegram.messenger com.whatsapp com.discord""",
    "video": """youtube.com youtu.be youtube-nocookie.com vimeo.com dailymotion.com dai.ly twitch.tv kick.com
        rumble.com odysee.com bilibili.com b23.tv youku.com iqiyi.com v.qq.com nicovideo.jp rutube.ru ted.com
        netflix.com wistia.com wistia.net bitchute.com com.google.android.youtube""",
    "shopping": """etsy.com walmart.com alibaba.com taobao.com tmall.com jd.com shop.app checkout.shopify.com
        flipkart.com allegro.pl otto.de bol.com cdiscount.com temu.com shein.com wish.com target.com
        bestbuy.com newegg.com poshmark.com ozon.ru wildberries.ru coupang.com trendyol.com
        shopping.google.com shopping.yahoo.com shopping.yahoo.co.jp pricegrabber.com shopzilla.com""",
    "email": """mail.google.com outlook.live.com outlook.office.com outlook.office365.com fastmail.com
        app.hey.com app.tuta.com tutanota.com gmx.net gmx.com gmx.de navigator.web.de e.mail.ru
        mail.missiveapp.com com.google.android.gm com.microsoft.office.outlook""",
    "ai": """chatgpt.com openai.com claude.ai gemini.google.com bard.google.com aistudio.google.com
        notebooklm.google.com copilot.microsoft.com copilot.cloud.microsoft m365.cloud.microsoft
        edgeservices.bing.com perplexity.ai meta.ai mistral.ai grok.com x.ai you.com deepseek.com poe.com
        pi.ai character.ai qwen.ai phind.com cursor.com duck.ai kimi.com doubao.com manus.im coral.cohere.com
        jasper.ai andisearch.com felo.ai genspark.ai iask.ai com.openai.chatgpt""",
    "": """docs.google.com drive.google.com sites.google.com groups.google.com classroom.google.com
        accounts.google.com pay.google.com calendar.google.com meet.google.com chat.google.com play.google.com
        support.google.com translate.google.com ads.google.com cloud.google.com developers.google.com
        aws.amazon.com finance.yahoo.com news.yahoo.com sports.yahoo.com""",
}
"""Where people come from, each with its subdomains; the last ones are what their parents are not."""

_BRANDS = {
    "search": "google yahoo yandex bing baidu",
    "social": "pinterest",
    "shopping": """amazon ebay aliexpress mercadolibre mercadolivre shopee lazada rakuten zalando idealo
        vinted kelkoo pricerunner""",
}
"""Sites that have a domain in each country."""


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: kind for kind, names in table.items() for name in names.split()}


_KIND_OF_SOURCE = _by_name(_SOURCES)
_KIND_OF_HOST = _by_name(_HOSTS)
_KIND_OF_BRAND = _by_name(_BRANDS)
_SECOND_LEVEL = frozenset({"co", "com", "net", "org"})
_WEBMAIL = ("mail.", "webmail.")

_ENCODED = re.compile(r"[^!-$&-*,-~]")
"""Anything but the printable ASCII characters that stand for themselves: not `%`, `+` or blanks."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_REFERRER = re.compile(
    r"(?:(?:https?|android-app|ios-app):)?//(?:[^/?#\\]*@)?(\[[0-9a-f:.]+\]|[^/?#\\@:\[\]]+)(?::\d*)?(?:[/?#\\]|$)",
    re.IGNORECASE,
)
_BARE_HOST = re.compile(r"([^/?#\\@:\[\]\s.]+\.[^/?#\\@:\[\]\s]+)(?::\d+)?(?:[/?#]|$)")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a URL, decoded: safe to encode as UTF-8, and without NUL.

    `click_id` is the name of the click id among them, if any, that tells most about the channel.
    `parameters` are all but the five utm ones; of a repeated one the first counts. Do not change it.
    """

    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_term: str = ""
    utm_content: str = ""
    click_id: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


_NO_QUERY = Query()


def split_query(querystring: str) -> Query:
    """Split a query string, with or without its `?`, into the utm parameters and the others.

    What cannot be decoded becomes U+FFFD, and so do NUL and lone surrogates.
    """
    if not querystring or querystring == "?":
        return _NO_QUERY
    utm: dict[str, str] = {}
    parameters: dict[str, str] = {}
    is_plain = not _ENCODED.search(querystring)
    for part in querystring.removeprefix("?").split("&"):
        name, _, value = part.partition("=")
        if not is_plain and _ENCODED.search(part):
            name, value = _decode(name), _decode(value)
        lowered = name.lower()
        if lowered in _UTM_NAMES:
            utm[lowered] = utm.get(lowered) or value.strip()
        elif name:
            parameters.setdefault(name, value)
    return Query(**utm, click_id=_find_click_id(parameters), parameters=parameters)


def referrer_domain(referrer: str) -> str:
    """The host that a referrer names, in lower case and punycode, without `www.`; "" if it names none.

    Of an `android-app://` referrer that is the name of the app. A host without a scheme is taken as
    one, since clients send such.
    """
    return _referrer_domain(referrer[:_LONGEST_REFERRER]) if referrer else ""


def is_self_referral(referrer_host: str, site_domain: str, hostname: str) -> bool:
    """Whether a host, as `referrer_domain` gives it, is the site, a subdomain of it or the page's own."""
    if not referrer_host:
        return False
    host = _strip_www(referrer_host)
    domain = _strip_www(site_domain.lower())
    # The page's host comes from the client: its subdomains do not count, or "com" would swallow all.
    return host == _strip_www(hostname.lower()) or bool(
        domain and (host == domain or host.endswith("." + domain))
    )


def classify(*, query: Query, referrer_host: str, hostname: str) -> str:
    """The channel, one of `CHANNELS`, of an event whose referrer's host is as `referrer_domain` gives it.

    Pass "" for the site itself; a referrer that is the page's own host does not count either. For
    the rules and their sources see this module's docstring.
    """
    if referrer_host and is_self_referral(referrer_host, "", hostname):
        referrer_host = ""
    if query is _NO_QUERY:
        return _decide("", "", "", "", referrer_host)
    source, medium = _read_tag(query.utm_source), _read_tag(query.utm_medium)
    medium = medium.replace("_", "-").replace(" ", "-")
    return _decide(source, medium, _campaign_kind(query.utm_campaign), query.click_id, referrer_host)


@lru_cache(maxsize=10_000)
def _decide(source: str, medium: str, campaign: str, click_id: str, referrer_host: str) -> str:
    if campaign == "cross-network":
        return "Cross-Network"
    source_kind, source_is_paid = _read_source(source)
    named = _channel_of_medium(medium) or _NAMED_SOURCES.get(source, "")
    referrer_kind = _kind_of_host(referrer_host)
    if _is_paid(medium) or (not named and (source_is_paid or click_id in _PAID_CLICKS)):
        if campaign == "shopping":
            return "Paid Shopping"
        return _name_paid(medium, source_kind, _CLICKS.get(click_id, ""), referrer_kind)
    if named:
        return named
    if campaign == "shopping":
        return "Organic Shopping"
    kind = source_kind or _OTHER_CLICKS.get(click_id, "")
    if kind:
        return _ORGANIC[kind]
    if medium in _WEAK_MEDIUMS:
        return _WEAK_MEDIUMS[medium]
    if referrer_host:
        return _ORGANIC.get(referrer_kind, "Referral")
    return _name_rest(source, is_tagged=bool(source or medium or campaign))


def _name_paid(medium: str, source_kind: str, click_kind: str, referrer_kind: str) -> str:
    # YouTube sells through Google, whose click ids do not tell a video from a search.
    if referrer_kind == "video" and source_kind in ("", "search"):
        click_kind = source_kind = "video"
    kinds = (source_kind, _kind_in_medium(medium), click_kind, referrer_kind)
    known = next((_PAID[kind] for kind in kinds if kind in _PAID), "")
    return known or ("Display" if medium in _DISPLAY_MEDIUMS else "Paid Unknown")


def _name_rest(source: str, *, is_tagged: bool) -> str:
    if "." in source:
        return "Referral"
    return "Unknown" if is_tagged else "Direct"


def _is_paid(medium: str) -> bool:
    return "cp" in medium or medium in ("ppc", "retargeting") or medium.startswith("paid")


def _kind_in_medium(medium: str) -> str:
    """What a medium such as `paid-social` says besides."""
    words = {"search": "search", "social": "social", "video": "video", "shop": "shopping"}
    return next((kind for word, kind in words.items() if word in medium), "")


def _channel_of_medium(medium: str) -> str:
    if medium in _MEDIUMS:
        return _MEDIUMS[medium]
    if medium.endswith("push") or "mobile" in medium or "notification" in medium:
        return "Push"
    if "email" in medium:
        return "Email"
    return _ORGANIC.get(_kind_in_medium(medium), "")


def _campaign_kind(campaign: str) -> str:
    """All that a campaign's name decides; few values, so that it can be part of a cache's key."""
    if not campaign:
        return ""
    lowered = campaign[:_LONGEST_TAG].lower()
    if "cross-network" in lowered:
        return "cross-network"
    return "shopping" if _SHOP_CAMPAIGN.search(lowered) else "other"


def _read_tag(text: str) -> str:
    lowered = text[:_LONGEST_TAG].strip().lower()
    return "" if lowered in _NO_TAGS else lowered


def _read_source(source: str) -> tuple[str, bool]:
    """The kind of site that a source names, and whether it says "ads" of it (`google-ads`)."""
    kind = _KIND_OF_SOURCE.get(source.replace(" ", "-")) or _kind_of_host(_strip_www(source))
    if kind:
        return kind, source == "adwords"
    advertiser = _ADS_SOURCE.fullmatch(source)
    kind = _KIND_OF_SOURCE.get(advertiser[1], "") if advertiser else ""
    return kind, bool(kind)


def _kind_of_host(host: str) -> str:
    rest = host
    while rest:
        kind = _KIND_OF_HOST.get(rest)
        if kind is not None:
            return kind
        rest = rest.partition(".")[2]
    if host.startswith(_WEBMAIL):
        return "email"
    return _KIND_OF_BRAND.get(_brand(host), "")


def _brand(host: str) -> str:
    """The name that was registered, under `.com` or a country (`google` of `www.google.co.uk`)."""
    labels = host.split(".")
    is_country = len(labels[-1]) == 2
    if len(labels) >= 3 and is_country and labels[-2] in _SECOND_LEVEL:
        return labels[-3]
    return labels[-2] if len(labels) >= 2 and (is_country or labels[-1] == "com") else ""


def _find_click_id(parameters: dict[str, str]) -> str:
    found = ""
    for name, value in parameters.items():
        lowered = name.lower()
        if value and lowered in _CLICKS:
            if lowered in _PAID_CLICKS:
                return lowered
            found = found or lowered
    return found


def _decode(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", unquote_plus(text, errors="replace"))


def _strip_www(host: str) -> str:
    return host.removeprefix("www.")


@lru_cache(maxsize=10_000)
def _referrer_domain(referrer: str) -> str:
    found = _REFERRER.match(referrer.strip()) or _BARE_HOST.match(referrer.strip())
    host = found[1].rstrip(".").lower() if found else ""
    if not host.isascii():
        host = _to_punycode(host)
    return _strip_www(host) if len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) else ""


def _to_punycode(host: str) -> str:
    try:
        return host[:_LONGEST_HOST].encode("idna").decode()
    except UnicodeError:
        return ""
