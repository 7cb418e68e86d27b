"""Settings of a site: what is not wanted, and what that keeps out."""

from typing import Any

from flask import Blueprint, Response, request, url_for
from wtforms import StringField, TextAreaField

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.ingest.exclusions import compile_exclusions, normalise_address
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Reason
from rybbit.services import exclusions
from rybbit.services.countries import COUNTRIES
from rybbit.services.dry_run import find_exclusion
from rybbit.web.access import client_address, current_runtime
from rybbit.web.htmx import show, show_change
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.pages.guards import current_person, current_site

blueprint = Blueprint("exclusions", __name__, url_prefix="/settings/exclusions")
changes = Blueprint("exclusions", __name__, url_prefix="/settings/exclusions")

_PAGE = "site_exclusions/index.html"
_ADDRESSES, _COUNTRIES, _TEST = (
    f"site_exclusions/_{part}.html" for part in ("addresses", "countries", "test")
)
_LONGEST_AGENT = 512
_OWN_NOTE = "Where I was"
_RULE_NAMES = {Reason.IP: "address", Reason.COUNTRY: "country"}


class AddressForm(PageForm):
    """Addresses and ranges, one a line."""

    patterns = TextAreaField("Addresses and ranges")
    note = StringField("Note")


class OwnForm(PageForm):
    """The address that one is at, which the form does not say: it is that of the request."""

    note = StringField("Note")


class CountryForm(PageForm):
    """A country."""

    country = StringField("Country")
    note = StringField("Note")


class TestForm(PageForm):
    """An event to try the rules with; what is left empty excludes nothing."""

    address = StringField("Address")
    country = StringField("Country")
    user_agent = StringField("User agent")


@blueprint.get("")
def index() -> Response:
    """The rules, and what they stopped."""
    return _show()


@blueprint.post("/test")
def test() -> Response:
    """Say which rule would keep an event out; nothing is stored, so without scripts this is the page."""
    form = TestForm()
    try:
        verdict = _try(form)
    except InvalidInput as error:
        form.show_errors(error)
        return _show(_TEST, status=422, test_form=form)
    return _show(_TEST, test_form=form, verdict=verdict)


@changes.post("/addresses")
def exclude_addresses() -> Response:
    """Exclude what the lines name; none of them if one cannot be read."""
    form = AddressForm()
    return _add_addresses(form.patterns.data or "", form.note.data or "", address_form=form)


@changes.post("/mine")
def exclude_mine() -> Response:
    """Exclude the address that the request comes from."""
    form = OwnForm()
    return _add_addresses(client_address(), form.note.data or _OWN_NOTE, own_form=form)


@changes.post("/countries")
def exclude_country() -> Response:
    """Exclude a country."""
    form = CountryForm()
    try:
        code = exclusions.exclude_country(
            current_site(), form.country.data or "", note=form.note.data or "", actor=current_person()
        )
    except InvalidInput as error:
        form.show_errors(error, names={"excludedCountries": "country"})
        return _show(_COUNTRIES, status=422, country_form=form)
    db.session.commit()
    return _changed(_COUNTRIES, f"{COUNTRIES[code]} is excluded")


@changes.post("/remove")
def remove() -> Response:
    """Take a rule away."""
    pattern = request.form.get("pattern", "")
    exclusions.include(current_site(), pattern, actor=current_person())
    db.session.commit()
    part = _COUNTRIES if request.form.get("kind") == "country" else _ADDRESSES
    return _changed(part, f"{COUNTRIES.get(pattern, pattern)} is not excluded any more")


def _add_addresses(lines: str, note: str, **sent: PageForm) -> Response:
    """Exclude what the lines name; `sent` is the form that they came with, by its name in templates."""
    try:
        count = exclusions.exclude_addresses(current_site(), lines, note=note, actor=current_person())
    except InvalidInput as error:
        for form in sent.values():
            form.show_errors(error, names={"excludedIPs": "patterns"})
        problems = error.problems if isinstance(error, exclusions.BadLines) else []
        return _show(_ADDRESSES, status=422, problems=problems, **sent)
    db.session.commit()
    toast = {0: "That was excluded already", 1: "One more is excluded"}.get(
        count, f"{count} more are excluded"
    )
    return _changed(_ADDRESSES, toast)


def _try(form: TestForm) -> dict[str, Any]:
    typed, agent = trim(form.address.data), trim(form.user_agent.data)
    address = normalise_address(typed) if typed else None
    if typed and address is None:
        raise InvalidInput({"address": ["Must be an IPv4 or IPv6 address"]})
    if len(agent) > _LONGEST_AGENT or not is_storable(agent):
        raise InvalidInput({"user_agent": [f"Must be text of at most {_LONGEST_AGENT} characters"]})
    if trim(form.country.data):
        country: str | None = exclusions.read_country(form.country.data)
    else:
        country = (current_runtime().geo.locate(address).country or None) if address else None
    found = find_exclusion(current_site(), address=address, user_agent=agent or None, country=country)
    return {"found": found, "country": country}


def _changed(part: str, toast: str) -> Response:
    to = url_for("site_member.exclusions.index")
    return show_change(part, to=to, toast=toast, **_context())


def _show(part: str | None = None, *, status: int = 200, **context: Any) -> Response:
    return show(_PAGE, part, status=status, **(_context() | context))


def _context() -> dict[str, Any]:
    site, here = current_site(), client_address()
    return {
        "address_form": AddressForm(formdata=None),
        "own_form": OwnForm(formdata=None),
        "country_form": CountryForm(formdata=None),
        "test_form": TestForm(formdata=None),
        "overview": exclusions.overview_of(site),
        "days": exclusions.SHOWN_DAYS,
        "country_names": COUNTRIES,
        "rule_names": _RULE_NAMES,
        "own_note": _OWN_NOTE,
        "here": here,
        "excludes_here": compile_exclusions(site.excluded_ips, ()).match_ip(here),
    }
