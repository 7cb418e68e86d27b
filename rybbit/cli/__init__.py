"""The command line. Each topic has a file; what is heavy is imported when a command runs."""

import click

from rybbit.cli.db import db
from rybbit.cli.demo import demo
from rybbit.cli.doctor import doctor
from rybbit.cli.errors import CommandGroup
from rybbit.cli.export import export
from rybbit.cli.geoip import geoip
from rybbit.cli.import_ import import_
from rybbit.cli.init import init
from rybbit.cli.key import key
from rybbit.cli.org import org
from rybbit.cli.serve import serve
from rybbit.cli.site import site
from rybbit.cli.store import compact
from rybbit.cli.user import user
from rybbit.cli.version import version


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Analytics server of your own: start with `rybbit serve --domain example.com`."""


for _command in (
    serve,
    init,
    user,
    org,
    site,
    key,
    doctor,
    geoip,
    export,
    import_,
    demo,
    compact,
    db,
    version,
):
    main.add_command(_command)
