"""`rybbit geoip`: the city database."""

import click

from rybbit.cli.instance import read_settings, require_instance
from rybbit.errors import ConfigurationError


@click.group()
def geoip() -> None:
    """The database that tells where an address is."""


@geoip.command()
@click.option("--edition", default="GeoLite2-City", show_default=True, help="Edition to fetch.")
@click.option("--base-url", default="https://download.maxmind.com", show_default=True, help="Whom to ask.")
def update(edition: str, base_url: str) -> None:
    """Fetch a city database from MaxMind; running servers take it up by themselves."""
    from rybbit.ingest.geo_update import update_database

    config = read_settings()
    require_instance(config)
    if not (config.geoip_account_id and config.geoip_license_key):
        raise ConfigurationError(
            "Set RYBBIT_GEOIP_ACCOUNT_ID and RYBBIT_GEOIP_LICENSE_KEY; "
            "MaxMind gives both to a free account (https://www.maxmind.com/en/geolite2/signup)."
        )
    found = update_database(
        account_id=config.geoip_account_id,
        licence_key=config.geoip_license_key,
        target=config.downloaded_geo_database,
        edition=edition,
        base_url=base_url,
    )
    click.echo(f"{found['database_type']} of {found['build_date']} is in {found['path']}.")
    if config.geoip_database:
        click.echo("It is not in use: RYBBIT_GEOIP_DATABASE names another file.", err=True)
