"""The JSON API, a blueprint a topic."""

from flask import Flask

from rybbit.extensions import csrf
from rybbit.web.api.health import blueprint as health
from rybbit.web.api.stats import blueprint as stats
from rybbit.web.api.track import blueprint as track

BLUEPRINTS = (health, stats, track)


def register(app: Flask) -> None:
    """Add the blueprints of the API to the app."""
    for blueprint in BLUEPRINTS:
        # These carry keys in a header, never a cookie that a foreign page could make use of.
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
