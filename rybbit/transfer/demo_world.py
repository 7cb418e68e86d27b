"""What demo traffic is made of: the places, devices, sources and pages of a shop for garden tools.

Rows that begin with a number have it as their weight among their kind.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """Where people live; `language` is what most browsers there are set to."""

    weight: float
    country: str
    region: str
    city: str
    lat: float
    lon: float
    timezone: str
    language: str


class Device(NamedTuple):
    """A browser on a machine."""

    weight: float
    browser: str
    browser_version: str
    operating_system: str
    operating_system_version: str
    device_type: str
    screen_width: int
    screen_height: int


class Source(NamedTuple):
    """Where a visit comes from: a referrer, the query string of a campaign, or neither."""

    weight: float
    referrer: str = ""
    querystring: str = ""


class Page(NamedTuple):
    """A page; `entries` is its weight among first pages, `weight` among later ones."""

    weight: float
    entries: float
    pathname: str
    title: str


PLACES = (
    Place(14, "US", "US-NY", "New York", 40.71, -74.01, "America/New_York", "en-US"),
    Place(9, "US", "US-CA", "San Francisco", 37.77, -122.42, "America/Los_Angeles", "en-US"),
    Place(6, "US", "US-TX", "Austin", 30.27, -97.74, "America/Chicago", "en-US"),
    Place(4, "US", "US-WA", "Seattle", 47.61, -122.33, "America/Los_Angeles", "en-US"),
    Place(3, "CA", "CA-ON", "Toronto", 43.65, -79.38, "America/Toronto", "en-CA"),
    Place(1.5, "CA", "CA-QC", "Montreal", 45.51, -73.59, "America/Toronto", "fr-CA"),
    Place(8, "GB", "GB-ENG", "London", 51.51, -0.13, "Europe/London", "en-GB"),
    Place(2, "GB", "GB-SCT", "Edinburgh", 55.95, -3.19, "Europe/London", "en-GB"),
    Place(1.5, "IE", "IE-L", "Dublin", 53.35, -6.26, "Europe/Dublin", "en-IE"),
    Place(7, "DE", "DE-BE", "Berlin", 52.52, 13.41, "Europe/Berlin", "de-DE"),
    Place(5, "DE", "DE-BY", "Munich", 48.14, 11.58, "Europe/Berlin", "de-DE"),
    Place(3, "DE", "DE-HH", "Hamburg", 53.55, 9.99, "Europe/Berlin", "de-DE"),
    Place(2, "AT", "AT-9", "Vienna", 48.21, 16.37, "Europe/Vienna", "de-AT"),
    Place(2, "CH", "CH-ZH", "Zürich", 47.37, 8.54, "Europe/Zurich", "de-CH"),
    Place(6, "FR", "FR-IDF", "Paris", 48.86, 2.35, "Europe/Paris", "fr-FR"),
    Place(2, "FR", "FR-ARA", "Lyon", 45.76, 4.84, "Europe/Paris", "fr-FR"),
    Place(3, "NL", "NL-NH", "Amsterdam", 52.37, 4.9, "Europe/Amsterdam", "nl-NL"),
    Place(2, "BE", "BE-BRU", "Brussels", 50.85, 4.35, "Europe/Brussels", "fr-BE"),
    Place(3, "ES", "ES-MD", "Madrid", 40.42, -3.7, "Europe/Madrid", "es-ES"),
    Place(2, "IT", "IT-25", "Milan", 45.46, 9.19, "Europe/Rome", "it-IT"),
    Place(2, "PL", "PL-14", "Warsaw", 52.23, 21.01, "Europe/Warsaw", "pl-PL"),
    Place(2, "SE", "SE-AB", "Stockholm", 59.33, 18.07, "Europe/Stockholm", "sv-SE"),
    Place(1, "NO", "NO-03", "Oslo", 59.91, 10.75, "Europe/Oslo", "nb-NO"),
    Place(1, "PT", "PT-11", "Lisbon", 38.72, -9.14, "Europe/Lisbon", "pt-PT"),
    Place(4, "IN", "IN-KA", "Bengaluru", 12.97, 77.59, "Asia/Kolkata", "en-IN"),
    Place(3, "IN", "IN-MH", "Mumbai", 19.08, 72.88, "Asia/Kolkata", "en-IN"),
    Place(3, "JP", "JP-13", "Tokyo", 35.68, 139.69, "Asia/Tokyo", "ja-JP"),
    Place(1, "KR", "KR-11", "Seoul", 37.57, 126.98, "Asia/Seoul", "ko-KR"),
    Place(1.5, "SG", "", "Singapore", 1.35, 103.82, "Asia/Singapore", "en-SG"),
    Place(3, "AU", "AU-NSW", "Sydney", -33.87, 151.21, "Australia/Sydney", "en-AU"),
    Place(1, "NZ", "NZ-AUK", "Auckland", -36.85, 174.76, "Pacific/Auckland", "en-NZ"),
    Place(4, "BR", "BR-SP", "São Paulo", -23.55, -46.63, "America/Sao_Paulo", "pt-BR"),
    Place(1.5, "MX", "MX-CMX", "Mexico City", 19.43, -99.13, "America/Mexico_City", "es-MX"),
    Place(1, "AR", "AR-C", "Buenos Aires", -34.6, -58.38, "America/Argentina/Buenos_Aires", "es-AR"),
    Place(1, "ZA", "ZA-WC", "Cape Town", -33.92, 18.42, "Africa/Johannesburg", "en-ZA"),
)

DEVICES = (
    Device(16, "Chrome", "138", "Windows", "10", "Desktop", 1920, 1080),
    Device(7, "Chrome", "137", "Windows", "11", "Desktop", 1536, 864),
    Device(7, "Chrome", "138", "macOS", "15.5", "Desktop", 1728, 1117),
    Device(3, "Chrome", "138", "Linux", "", "Desktop", 1920, 1080),
    Device(6, "Edge", "138", "Windows", "11", "Desktop", 1920, 1080),
    Device(3, "Firefox", "140", "Windows", "10", "Desktop", 1920, 1080),
    Device(3, "Firefox", "141", "Linux", "", "Desktop", 2560, 1440),
    Device(7, "Safari", "18", "macOS", "15.5", "Desktop", 1440, 900),
    Device(1, "Opera", "120", "Windows", "10", "Desktop", 1366, 768),
    Device(16, "Mobile Safari", "18", "iOS", "18.5", "Mobile", 390, 844),
    Device(6, "Mobile Safari", "17", "iOS", "17.6", "Mobile", 375, 812),
    Device(14, "Mobile Chrome", "138", "Android", "15", "Mobile", 412, 915),
    Device(6, "Mobile Chrome", "137", "Android", "14", "Mobile", 360, 800),
    Device(3, "Samsung Internet", "28", "Android", "14", "Mobile", 384, 854),
    Device(1, "Mobile Firefox", "140", "Android", "14", "Mobile", 412, 892),
    Device(3, "Mobile Safari", "18", "iOS", "18.5", "Tablet", 820, 1180),
    Device(1, "Chrome", "137", "Android", "14", "Tablet", 800, 1280),
)

SOURCES = (
    Source(34),
    Source(24, "https://www.google.com/"),
    Source(4, "https://www.bing.com/"),
    Source(3, "https://duckduckgo.com/"),
    Source(3, "https://news.ycombinator.com/"),
    Source(3, "https://www.reddit.com/r/gardening/"),
    Source(2, "https://t.co/x1"),
    Source(2, "https://www.linkedin.com/"),
    Source(2, "https://www.youtube.com/"),
    Source(3, "https://chatgpt.com/"),
    Source(1, "https://www.perplexity.ai/"),
    Source(2, "https://gardenersworld.example/reviews/best-spades"),
    Source(1, "https://forum.allotment.example/t/which-hoe/4711"),
    Source(
        4,
        "https://www.google.com/",
        "?utm_source=google&utm_medium=cpc&utm_campaign=spring-sale&utm_term=garden+tools",
    ),
    Source(2, "https://www.google.com/", "?gclid=demo&utm_source=google&utm_medium=cpc&utm_campaign=brand"),
    Source(3, "", "?utm_source=newsletter&utm_medium=email&utm_campaign=june&utm_content=top-story"),
    Source(
        2, "https://www.facebook.com/", "?utm_source=facebook&utm_medium=paid_social&utm_campaign=spring-sale"
    ),
    Source(1, "https://www.instagram.com/", "?utm_source=instagram&utm_medium=social"),
    Source(1, "", "?ref=partner&utm_source=allotment&utm_medium=affiliate"),
)

_TOPICS = (
    *(
        "spade",
        "fork",
        "hoe",
        "rake",
        "trowel",
        "secateurs",
        "shears",
        "dibber",
        "watering can",
        "wheelbarrow",
    ),
    *("bulb planter", "weeder", "edger", "pruning saw", "garden line", "soil knife"),
    *("sieve", "kneeler"),
)
_QUESTIONS = ("How to choose a", "How to sharpen a", "When to replace a", "Ten uses for a", "Care for your")

PRODUCTS = tuple(
    Page(
        6 / (place + 1), 3 / (place + 1), f"/tools/{topic.replace(' ', '-')}", f"{topic.capitalize()} | Tools"
    )
    for place, topic in enumerate(_TOPICS)
)
ARTICLES = tuple(
    Page(
        3 / (place + 1) ** 0.8,
        9 / (place + 1) ** 0.8,
        f"/journal/{question.lower().replace(' ', '-')}-{topic.replace(' ', '-')}",
        f"{question} {topic} | Journal",
    )
    for place, (topic, question) in enumerate(
        (topic, question) for question in _QUESTIONS for topic in _TOPICS
    )
)
PAGES = (
    Page(14, 40, "/", "Tools that last"),
    Page(10, 5, "/tools", "All tools"),
    Page(7, 6, "/journal", "Journal"),
    Page(6, 4, "/pricing", "Hire and buy"),
    Page(3, 1, "/about", "About us"),
    Page(2, 2, "/contact", "Contact"),
    Page(4, 1.5, "/search", "Search"),
    Page(2, 2, "/help", "Help"),
    Page(1, 1, "/help/returns", "Returns | Help"),
    Page(1, 1, "/help/delivery", "Delivery | Help"),
    *PRODUCTS,
    *ARTICLES,
)
CART = Page(0, 0, "/cart", "Your basket")
CHECKOUT = Page(0, 0, "/checkout", "Checkout")
THANKS = Page(0, 0, "/checkout/thanks", "Thank you")
SIGN_UP = Page(0, 0, "/sign-up", "Make an account")

OUTBOUND = (
    ("https://www.youtube.com/watch?v=demo", "Watch how it is made"),
    ("https://www.instagram.com/demo", "Instagram"),
    ("https://partner.example/spades", "Spades of our partner"),
    ("https://en.wikipedia.org/wiki/Garden_tool", "More about garden tools"),
)
ERRORS = (
    ("TypeError", "Cannot read properties of undefined (reading 'price')", "basket.js", 214),
    ("NetworkError", "Failed to fetch", "search.js", 48),
    ("ChunkLoadError", "Loading chunk 7 failed", "app.js", 1),
)
SEARCHES = ("spade", "secateurs left handed", "gloves", "gift", "hoe", "wheelbarrow", "compost")

# How busy an hour of the day (of the visitor's place) and a day of the week (from Monday) are.
HOURS = (9, 6, 4, 3, 3, 5, 12, 24, 38, 50, 56, 58, 54, 54, 56, 56, 54, 52, 52, 56, 60, 54, 38, 20)
WEEKDAYS = (1.08, 1.12, 1.1, 1.06, 0.98, 0.78, 0.84)

# Offsets of most visitors from UTC, with their weight, so that the hours of all places overlap as they do.
OFFSETS = ((-7, 14), (-5, 24), (1, 45), (5.5, 8), (9, 9))

GOALS: tuple[dict[str, object], ...] = (
    {"name": "Order placed", "goalType": "event", "config": {"eventName": "purchase"}},
    {"name": "Account made", "goalType": "event", "config": {"eventName": "sign_up"}},
    {"name": "Looked at a tool", "goalType": "path", "config": {"pathPattern": "/tools/*"}},
)
FUNNEL: dict[str, object] = {
    "name": "From basket to order",
    "steps": [
        {"type": "page", "value": "/tools/*", "name": "A tool"},
        {"type": "page", "value": "/cart", "name": "Basket"},
        {"type": "page", "value": "/checkout", "name": "Checkout"},
        {"type": "event", "value": "purchase", "name": "Order"},
    ],
}
