"""The JSON API, a blueprint a topic."""

from flask import Flask

from rybbit.extensions import csrf
from rybbit.web.api.account_keys import blueprint as account_keys
from rybbit.web.api.aliases import blueprint as aliases
from rybbit.web.api.auth import blueprint as auth
from rybbit.web.api.converters import UserIdConverter
from rybbit.web.api.erasure import blueprint as erasure
from rybbit.web.api.events import blueprint as events
from rybbit.web.api.export import blueprint as export
from rybbit.web.api.funnels import blueprint as funnels
from rybbit.web.api.goals import blueprint as goals
from rybbit.web.api.health import blueprint as health
from rybbit.web.api.losses import blueprint as losses
from rybbit.web.api.members import blueprint as members
from rybbit.web.api.openapi import blueprint as openapi
from rybbit.web.api.organizations import blueprint as organizations
from rybbit.web.api.quality import blueprint as quality
from rybbit.web.api.retention import blueprint as retention
from rybbit.web.api.script import blueprint as script
from rybbit.web.api.site_access import blueprint as site_access
from rybbit.web.api.sites import blueprint as sites
from rybbit.web.api.stats import blueprint as stats
from rybbit.web.api.track import blueprint as track
from rybbit.web.api.tracking_config import blueprint as tracking_config
from rybbit.web.api.user_traits import blueprint as user_traits
from rybbit.web.api.visits import blueprint as visits
from rybbit.web.sign_in import keep_private

READING = (stats, visits, user_traits, events, quality, goals, funnels, losses, export, aliases)
PRIVATE = (account_keys, auth, members, organizations, site_access, sites, erasure, retention, *READING)
BLUEPRINTS = (health, openapi, script, track, tracking_config, *PRIVATE)


def register(app: Flask) -> None:
    """Add the blueprints of the API to the app."""
    app.url_map.converters["user"] = UserIdConverter
    for blueprint in BLUEPRINTS:
        # These look at a key in a header, or ask for the CSRF token themselves (`web/sign_in.py`).
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    for blueprint in PRIVATE:
        app.after_request_funcs.setdefault(blueprint.name, []).append(keep_private)
