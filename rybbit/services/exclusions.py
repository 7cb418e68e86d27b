"""What a site excludes, line by line: with notes, who added it, and what it stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.ingest.exclusions import parse_pattern
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Reason, Site
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.countries import COUNTRIES
from rybbit.services.drops import Rule, count_by_rule
from rybbit.services.sites import lock_site, update_site

SHOWN_DAYS = 7

_LONGEST_NOTE = 255
_REASONS = (Reason.IP, Reason.COUNTRY, Reason.BOT)


class BadLines(InvalidInput):
    """Some of many lines cannot be read; `problems` has the number of each, what it says and why not."""

    def __init__(self, problems: Sequence[tuple[int, str, str]]) -> None:
        self.problems = problems
        count = len(problems)
        super().__init__(
            {"patterns": ["One line cannot be read" if count == 1 else f"{count} lines cannot be read"]}
        )


@dataclass(frozen=True)
class Exclusion:
    """An address, a range or a country that is excluded; who added it is unknown for old ones."""

    pattern: str
    note: str
    added_by: str
    added_at: datetime | None
    stopped: int


@dataclass(frozen=True)
class Overview:
    """The rules of a site, how many events each stopped lately, and what stopped others."""

    addresses: list[Exclusion]
    countries: list[Exclusion]
    bots: int
    former: Mapping[Rule, int]


def overview_of(site: Site) -> Overview:
    """All that a site excludes, with the counts of the last seven days."""
    since = clock.now() - timedelta(days=SHOWN_DAYS)
    counts = dict(count_by_rule(site, _REASONS, since=since))
    bots = sum(counts.pop(rule) for rule in list(counts) if rule[0] is Reason.BOT)
    addresses = [_exclusion(site, each, counts.pop((Reason.IP, each[:255]), 0)) for each in site.excluded_ips]
    countries = [
        _exclusion(site, each, counts.pop((Reason.COUNTRY, each), 0)) for each in site.excluded_countries
    ]
    return Overview(addresses, countries, bots, counts)


def exclude_addresses(site: Site, lines: str, *, note: str = "", actor: Actor = COMMAND) -> int:
    """Exclude the address or range on each line; answers how many of them are new.

    Raises:
        BadLines: some lines cannot be read; nothing is changed.
        InvalidInput: there is none, there would be too many, or the note is unfit.
        NotFound: the site was deleted meanwhile.
    """
    numbered = [(number, line.strip()) for number, line in enumerate(lines.splitlines(), 1) if line.strip()]
    if not numbered:
        raise InvalidInput({"patterns": ["Write at least one address or range"]})
    problems = [(number, line, why) for number, line in numbered if (why := _problem(line)) is not None]
    if problems:
        raise BadLines(problems)
    note = check_note(note)
    lock_site(site)
    new = [each for each in dict.fromkeys(line for _, line in numbered) if each not in site.excluded_ips]
    if new:
        update_site(site, {"excludedIPs": [*site.excluded_ips, *new]}, actor=actor, note=note)
    return len(new)


def exclude_country(site: Site, text: str, *, note: str = "", actor: Actor = COMMAND) -> str:
    """Exclude a country, by its code or its name; answers the code.

    Raises:
        InvalidInput: there is no such country, or the note is unfit.
        NotFound: the site was deleted meanwhile.
    """
    code, note = read_country(text), check_note(note)
    lock_site(site)
    if code not in site.excluded_countries:
        update_site(site, {"excludedCountries": [*site.excluded_countries, code]}, actor=actor, note=note)
    return code


def include(site: Site, pattern: str, *, actor: Actor = COMMAND) -> None:
    """Take a rule away, wherever it stands; nothing happens if somebody else has done so.

    Raises:
        NotFound: the site was deleted meanwhile.
    """
    lock_site(site)
    for setting, rules in (
        ("excludedIPs", site.excluded_ips),
        ("excludedCountries", site.excluded_countries),
    ):
        if pattern in rules:
            update_site(site, {setting: [each for each in rules if each != pattern]}, actor=actor)


def read_country(text: str) -> str:
    """The code of a country from what somebody wrote: `DE`, `Germany` or `Germany (DE)`.

    Raises:
        InvalidInput: naming `country`.
    """
    wanted = text.strip()
    inner = wanted[-3:-1] if wanted.endswith(")") and wanted[-4:-3] == "(" else wanted
    if inner.upper() in COUNTRIES:
        return inner.upper()
    found = [code for code, name in COUNTRIES.items() if name.casefold() == wanted.casefold()]
    if not found:
        raise InvalidInput({"country": ["Choose a country from the list, or write its code of two letters"]})
    return found[0]


def check_note(text: str) -> str:
    """A note, trimmed.

    Raises:
        InvalidInput: naming `note`.
    """
    note = text.strip()
    if len(note) > _LONGEST_NOTE or not is_storable(note):
        raise InvalidInput({"note": [f"Must be text of at most {_LONGEST_NOTE} characters"]})
    return note


def _problem(line: str) -> str | None:
    if not is_storable(line):
        return "not an IP address"
    try:
        parse_pattern(line)
    except ValueError as error:
        return str(error)
    return None


def _exclusion(site: Site, pattern: str, stopped: int) -> Exclusion:
    known = site.exclusion_notes.get(pattern)
    if known is None:
        return Exclusion(pattern, "", "", None, stopped)
    return Exclusion(pattern, known["note"], known["by"], datetime.fromisoformat(known["at"]), stopped)
