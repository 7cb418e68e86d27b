"""A database as the first version left it: three sites, of which the last was deleted."""

from alembic import command
from pytest import MonkeyPatch
from sqlalchemy import Engine

from rybbit import migrations
from rybbit.database import configure_engine

MOMENT = "'2026-01-01 00:00:00.000000'"
SITE_COLUMNS = (
    "id, organization_id, name, domain, created_by, created_at, updated_at, secret, public,"
    " salt_user_ids, block_bots, session_replay, web_vitals, track_errors, track_outbound,"
    " track_url_params, track_initial_page_view, track_spa_navigation, track_ip, excluded_ips,"
    " excluded_countries"
)


def make_first_version(engine: Engine) -> None:
    """Make the tables of step 0001 in an empty database, and fill them."""
    configure_engine(engine)
    upgrade = command.upgrade
    with MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        migrations.upgrade(engine, backup_folder=None)
    _fill(engine)


def _fill(engine: Engine) -> None:
    no, empty = ("false", "'\\x00'") if engine.dialect.name == "postgresql" else ("0", "x'00'")
    switches = ", ".join([no] * 11)
    with engine.begin() as connection:
        for statement in (
            f"insert into rybbit_account values ('a', 'ann@example.com', 'Ann', 'hash', {MOMENT}, {MOMENT})",
            f"insert into rybbit_organization values ('o', 'Acme', {MOMENT}, {MOMENT})",
            f"insert into rybbit_member values ('o', 'a', 'owner', {MOMENT})",
            *(
                f"insert into rybbit_site ({SITE_COLUMNS}) values ('abcdefabcde{number}', 'o', 'n',"
                f" 'd{number}.example', 'a', {MOMENT}, {MOMENT}, {empty}, {switches}, '[]', '[\"DE\"]')"
                for number in range(3)
            ),
            "insert into rybbit_key (id, name, token_hash, site_id, created_at)"
            f" values ('k', 'n', 'h', 1, {MOMENT})",
            "delete from rybbit_site where site_id = 3",
        ):
            connection.exec_driver_sql(statement)
