"""The settings of a site as people and programs send them: names, types, limits, defaults."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from rybbit.errors import InvalidInput
from rybbit.ingest.exclusions import validate_patterns
from rybbit.ingest.payload_details import is_storable
from rybbit.ingest.payload_messages import NOT_STORABLE, refused
from rybbit.services.domains import normalise_domain
from rybbit.services.validation import validate


class InvalidPatterns(InvalidInput):
    """Exclusion patterns that cannot be read; `patterns` holds `PATTERN: why` for each."""

    def __init__(self, patterns: list[str]) -> None:
        self.patterns = patterns
        super().__init__({"excludedIPs": patterns})


class NothingToChange(InvalidInput):
    """A change that names no setting."""

    def __init__(self) -> None:
        super().__init__(form_errors=["No fields to update"])


def _check_text(text: str) -> str:
    if not is_storable(text):
        raise refused(NOT_STORABLE)
    return text


def _check_domain(text: str) -> str:
    try:
        return normalise_domain(text)
    except ValueError:
        raise refused("Must be a host name with a dot, such as example.com") from None


def _check_country(code: str) -> str:
    if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise refused("Must be two letters A-Z")
    return code


def _outside_name(name: str) -> str:
    return "excludedIPs" if name == "excluded_ips" else to_camel(name)


_Trimmed = Annotated[str, StringConstraints(strip_whitespace=True)]
_Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    AfterValidator(_check_text),
]
_Domain = Annotated[str, AfterValidator(_check_domain)]
_Country = Annotated[_Trimmed, AfterValidator(_check_country)]


class SiteSettings(BaseModel):
    """Any subset of a site's settings; `model_fields_set` tells which ones were given."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=_outside_name)

    name: _Name = ""
    domain: _Domain = ""
    public: bool = False
    salt_user_ids: bool = False
    block_bots: bool = True
    session_replay: bool = False
    web_vitals: bool = False
    track_errors: bool = False
    track_outbound: bool = True
    track_url_params: bool = True
    track_initial_page_view: bool = True
    track_spa_navigation: bool = True
    track_ip: bool = False
    excluded_ips: Annotated[list[_Trimmed], Field(max_length=100)] = []
    excluded_countries: Annotated[list[_Country], Field(max_length=250)] = []


class NewSite(SiteSettings):
    """The settings of a site to be made: name and domain are required, the rest has defaults."""

    name: _Name
    domain: _Domain


SETTING_NAMES: Mapping[str, str] = {
    str(field.alias): name for name, field in SiteSettings.model_fields.items()
}
"""The names of the settings inside, by their names outside."""


def read_new_site(data: object) -> dict[str, Any]:
    """All settings of a new site, by their names inside, the defaults filled in.

    Raises:
        InvalidInput: a setting is missing, unknown or unfit.
        InvalidPatterns: an exclusion pattern cannot be read.
    """
    settings = validate(NewSite, data)
    _check_patterns(settings)
    return settings.model_dump()


def read_changes(data: object) -> dict[str, Any]:
    """The settings to change, by their names inside.

    Raises:
        InvalidInput: a setting is unknown or unfit.
        InvalidPatterns: an exclusion pattern cannot be read.
        NothingToChange: no setting is given.
    """
    settings = validate(SiteSettings, data)
    _check_patterns(settings)
    changes = settings.model_dump(exclude_unset=True)
    if not changes:
        raise NothingToChange
    return changes


def _check_patterns(settings: SiteSettings) -> None:
    problems = validate_patterns(settings.excluded_ips)
    if problems:
        raise InvalidPatterns(problems)
