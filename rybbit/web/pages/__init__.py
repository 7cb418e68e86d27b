"""The pages for people, a file a topic; `guards.py` says who may see which."""

from flask import Flask

from rybbit.web.pages import exclusions, filters, general, install, retention, sharing, site_keys, tracking
from rybbit.web.pages.account import blueprint as account
from rybbit.web.pages.account_keys import blueprint as account_keys
from rybbit.web.pages.guards import (
    GUARDS,
    organization_admin,
    organization_member,
    public,
    recognise_who_is_lost,
    signed_in,
    site_admin,
    site_member,
)
from rybbit.web.pages.home import blueprint as home
from rybbit.web.pages.inspector import blueprint as inspector
from rybbit.web.pages.joining import accepting
from rybbit.web.pages.joining import blueprint as joining
from rybbit.web.pages.members import blueprint as members
from rybbit.web.pages.members import changes as member_changes
from rybbit.web.pages.organization_audit import blueprint as organization_audit
from rybbit.web.pages.organization_invitations import blueprint as organization_invitations
from rybbit.web.pages.organization_keys import blueprint as organization_keys
from rybbit.web.pages.organization_settings import blueprint as organization_settings
from rybbit.web.pages.organizations import blueprint as organizations
from rybbit.web.pages.passwords import blueprint as passwords
from rybbit.web.pages.sessions import blueprint as sessions
from rybbit.web.pages.setup import blueprint as setup
from rybbit.web.pages.sign_in import blueprint as sign_in
from rybbit.web.pages.sign_up import blueprint as sign_up
from rybbit.web.pages.sites import blueprint as sites
from rybbit.web.pages.theme import blueprint as theme
from rybbit.web.sign_in import keep_private

# Who may see a page is said here, by the guard that its blueprint is put behind.
public.register_blueprint(sign_in)
public.register_blueprint(theme)
public.register_blueprint(setup)
public.register_blueprint(passwords)
public.register_blueprint(sign_up)
public.register_blueprint(joining)
signed_in.register_blueprint(home)
signed_in.register_blueprint(sites)
signed_in.register_blueprint(account)
signed_in.register_blueprint(account_keys)
signed_in.register_blueprint(sessions)
signed_in.register_blueprint(accepting)
signed_in.register_blueprint(organizations)
organization_member.register_blueprint(members)
organization_admin.register_blueprint(member_changes)
organization_admin.register_blueprint(organization_audit)
organization_admin.register_blueprint(organization_invitations)
organization_admin.register_blueprint(organization_keys)
organization_admin.register_blueprint(organization_settings)

for page in (install, general, tracking, exclusions, site_keys, sharing):
    site_member.register_blueprint(page.blueprint)
    site_admin.register_blueprint(page.changes)
site_admin.register_blueprint(retention.changes)
site_member.register_blueprint(inspector)


def register(app: Flask) -> None:
    """Add the pages to the app."""
    filters.register(app)
    app.before_request(recognise_who_is_lost)
    for guard in GUARDS:
        app.register_blueprint(guard)
        app.after_request_funcs.setdefault(guard.name, []).append(keep_private)
