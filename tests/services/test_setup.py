"""The first run."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import scoped_session

from rybbit.errors import Conflict, InvalidInput
from rybbit.extensions import db
from rybbit.models import Account, Key, Organization, Role, Site
from rybbit.services import accounts, keys, organizations, sites
from rybbit.services.setup import FirstRun, initialise

AppSession = scoped_session[Any]


def _first_run(**changes: str | None) -> FirstRun:
    values: dict[str, Any] = {"email": "Ann@Example.com", "domain": "https://Example.com/"}
    return initialise(**(values | changes))


def test_the_first_run_makes_what_is_needed_to_track_and_to_read(session: AppSession) -> None:
    first = _first_run()
    owner = accounts.account_by_email("ann@example.com")
    site = sites.site_for(first.id)
    assert owner is not None
    assert first.password is not None
    assert accounts.verify_password(owner, first.password)
    assert organizations.role_of(owner, first.organization_id) is Role.OWNER
    assert (site.site_id, site.domain, site.name, site.created_by) == (
        first.site_id,
        "example.com",
        "example.com",
        owner.id,
    )
    tracking, account_key = keys.find_key(first.api_key), keys.find_key(first.account_key)
    assert tracking is not None and tracking.site_id == site.site_id
    assert account_key is not None and account_key.account_id == owner.id


@pytest.mark.usefixtures("session")
def test_a_given_name_and_password_are_used_and_the_password_is_not_shown() -> None:
    first = _first_run(name="My blog", password="correct horse battery")
    assert sites.site_for(first.id).name == "My blog"
    assert accounts.verify_password(accounts.account_by_email(first.email), "correct horse battery")
    shown = first.as_json()
    assert set(shown) == {"organizationId", "siteId", "id", "apiKey", "accountKey"}


@pytest.mark.usefixtures("session")
def test_a_password_that_was_made_up_is_shown() -> None:
    first = _first_run()
    assert first.as_json()["password"] == first.password


def test_it_runs_once(session: AppSession) -> None:
    _first_run()
    session.commit()
    with pytest.raises(Conflict, match="set up already"):
        _first_run(email="eve@example.com", domain="eve.example")
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Account)) == 1
    assert session.scalar(select(func.count()).select_from(Key)) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "nobody"), ("domain", "nodot"), ("password", "short"), ("name", "")],
)
def test_unfit_input_makes_nothing(session: AppSession, field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _first_run(**{field: value})
    assert set(refused.value.field_errors) == {field}
    session.commit()
    for model in (Account, Organization, Site, Key):
        assert session.scalar(select(func.count()).select_from(model)) == 0


def test_of_two_first_runs_at_once_one_is_refused(app: Flask) -> None:
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def run(number: int) -> None:
        with app.app_context():
            start.wait()
            try:
                _first_run(email=f"person{number}@example.com", domain=f"site{number}.example")
                db.session.commit()
                outcomes.append("made")
            except Conflict:
                outcomes.append("refused")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
