"""The pages for people, a file a topic; `guards.py` says who may see which."""

from flask import Flask

from rybbit.web.pages import filters
from rybbit.web.pages.account import blueprint as account
from rybbit.web.pages.account_keys import blueprint as account_keys
from rybbit.web.pages.guards import GUARDS, public, signed_in, site_member
from rybbit.web.pages.home import blueprint as home
from rybbit.web.pages.inspector import blueprint as inspector
from rybbit.web.pages.sessions import blueprint as sessions
from rybbit.web.pages.sign_in import blueprint as sign_in
from rybbit.web.pages.theme import blueprint as theme
from rybbit.web.sign_in import keep_private

# Who may see a page is said here, by the guard that its blueprint is put behind.
public.register_blueprint(sign_in)
public.register_blueprint(theme)
signed_in.register_blueprint(home)
signed_in.register_blueprint(account)
signed_in.register_blueprint(account_keys)
signed_in.register_blueprint(sessions)
site_member.register_blueprint(inspector)


def register(app: Flask) -> None:
    """Add the pages to the app."""
    filters.register(app)
    for guard in GUARDS:
        app.register_blueprint(guard)
        app.after_request_funcs.setdefault(guard.name, []).append(keep_private)
