"""Signing in, sessions, and links to choose a new password."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session as DatabaseSession
from sqlalchemy.orm import scoped_session

from rybbit import clock, security
from rybbit.errors import InvalidInput, NotFound, WrongCredentials
from rybbit.extensions import db
from rybbit.models import Account, PasswordReset, Session
from rybbit.services import accounts, password_resets, sign_in
from tests.factories import PASSWORD, make_account

AppSession = scoped_session[Any]
Travel = Callable[[timedelta], datetime]


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Travel:
    """Moves the clock: to so much after the moment the test began."""
    begun = clock.now()

    def move(by: timedelta) -> datetime:
        monkeypatch.setattr(clock, "now", lambda: begun + by)
        return begun + by

    move(timedelta(0))
    return move


def _start(account: Account) -> tuple[Session, str]:
    return sign_in.start_session(account, address="192.0.2.1", user_agent="Firefox")


@pytest.mark.usefixtures("session")
class TestSignIn:
    """With a password."""

    def test_the_right_password_begins_a_session(self, session: AppSession) -> None:
        ann = make_account(email="ann@example.com")
        begun, token = sign_in.sign_in(
            " Ann@Example.com ", PASSWORD, address="192.0.2.1", user_agent="Firefox"
        )
        session.expire_all()
        assert sign_in.session_for(token) is begun
        assert (begun.account_id, begun.address, begun.user_agent) == (ann.id, "192.0.2.1", "Firefox")
        assert begun.id.startswith("ses_")
        rows = str(session.execute(text("select * from rybbit_session")).all())
        assert token not in rows

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("ann@example.com", PASSWORD + "!"),
            ("ann@example.com", ""),
            ("bob@example.com", PASSWORD),
            ("", PASSWORD),
            ("\0", PASSWORD),
            ("ann@example.com\0", PASSWORD),
            ("\ud800", "\ud800"),
            ("ann@example.com", "x" * 100_000),
        ],
    )
    def test_wrong_credentials_are_all_alike(self, session: AppSession, email: str, password: str) -> None:
        make_account(email="ann@example.com")
        with pytest.raises(WrongCredentials, match=r"^Wrong email or password$"):
            sign_in.sign_in(email, password, address="", user_agent="")
        assert session.scalars(select(Session)).all() == []

    def test_an_account_without_a_password_cannot_sign_in(self) -> None:
        accounts.create_account("ann@example.com", password=None)
        for password in ("", "None", PASSWORD):
            with pytest.raises(WrongCredentials):
                sign_in.sign_in("ann@example.com", password, address="", user_agent="")

    def test_an_outdated_hash_is_made_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ann = make_account()
        old = ann.password_hash
        monkeypatch.setattr(
            security, "password_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
        )
        sign_in.sign_in(ann.email, PASSWORD, address="", user_agent="")
        assert ann.password_hash != old
        assert accounts.verify_password(ann, PASSWORD)

    def test_two_sessions_have_two_tokens(self) -> None:
        ann = make_account()
        assert _start(ann)[1] != _start(ann)[1]

    def test_hostile_headers_are_cut(self, session: AppSession) -> None:
        begun, _ = sign_in.start_session(
            make_account(), address="9" * 100, user_agent="a\0b\ud800" + "x" * 1000
        )
        session.expire_all()
        assert len(begun.address) == 45
        assert begun.user_agent == "a?b?" + "x" * 251


@pytest.mark.usefixtures("session")
class TestSessions:
    """Found, used, ended."""

    @pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "x" * 100_000])
    def test_a_wrong_token_finds_nothing(self, token: str) -> None:
        _start(make_account())
        assert sign_in.session_for(token) is None

    def test_the_hash_of_a_token_is_no_token(self) -> None:
        begun, _ = _start(make_account())
        assert sign_in.session_for(begun.token_hash) is None

    def test_a_session_lasts_thirty_days_from_its_last_use(self, travel: Travel) -> None:
        _, token = _start(make_account())
        for days in (29, 58, 87):
            travel(timedelta(days=days))
            assert sign_in.session_for(token) is not None
        travel(timedelta(days=87 + 30))
        assert sign_in.session_for(token) is None

    def test_use_is_noted_now_and_then(self, session: AppSession, travel: Travel) -> None:
        begun, token = _start(make_account())
        first = begun.last_seen_at
        travel(timedelta(minutes=4))
        sign_in.session_for(token)
        session.expire_all()
        assert begun.last_seen_at == first
        now = travel(timedelta(minutes=5))
        sign_in.session_for(token)
        session.expire_all()
        assert begun.last_seen_at == now
        assert begun.expires_at == now + sign_in.SESSION_LIFE

    def test_expired_sessions_are_forgotten(self, session: AppSession, travel: Travel) -> None:
        _start(make_account())
        travel(timedelta(days=31))
        latest, _ = _start(make_account())
        assert session.scalars(select(Session.id)).all() == [latest.id]

    def test_the_list_holds_what_is_open_the_last_used_first(self, travel: Travel) -> None:
        ann = make_account()
        old, _ = _start(ann)
        travel(timedelta(days=10))
        used, token = _start(ann)
        travel(timedelta(days=20))
        latest, _ = _start(ann)
        _start(make_account())
        assert sign_in.sessions_of(ann) == [latest, used, old]
        travel(timedelta(days=31))
        sign_in.session_for(token)
        assert sign_in.sessions_of(ann) == [used, latest]

    def test_ending_one(self) -> None:
        ann = make_account()
        (one, one_token), (_, other_token) = _start(ann), _start(ann)
        sign_in.end_session(sign_in.session_of(ann, one.id))
        assert sign_in.session_for(one_token) is None
        assert sign_in.session_for(other_token) is not None

    def test_ending_all_or_all_but_one(self) -> None:
        ann = make_account()
        tokens = [_start(ann)[1] for _ in range(3)]
        _, bobs = _start(make_account())
        sign_in.end_all_sessions(ann, but=sign_in.session_for(tokens[1]))
        assert [sign_in.session_for(token) is not None for token in tokens] == [False, True, False]
        sign_in.end_all_sessions(ann)
        assert sign_in.sessions_of(ann) == []
        assert sign_in.session_for(bobs) is not None

    @pytest.mark.parametrize("session_id", ["", "ses_none", "\0", "\ud800"])
    def test_an_id_that_is_none(self, session_id: str) -> None:
        with pytest.raises(NotFound, match="Session not found"):
            sign_in.session_of(make_account(), session_id)

    def test_another_accounts_session_is_not_found(self) -> None:
        begun, _ = _start(make_account())
        with pytest.raises(NotFound, match="Session not found"):
            sign_in.session_of(make_account(), begun.id)

    def test_a_session_that_ends_while_it_is_used(
        self, session: AppSession, engine: Engine, travel: Travel
    ) -> None:
        begun, token = _start(make_account())
        session.commit()
        assert begun.last_seen_at
        travel(timedelta(hours=1))
        with DatabaseSession(engine) as other:
            other.delete(other.get_one(Session, begun.id))
            other.commit()
        assert sign_in.session_for(token) is None
        sign_in.end_session(begun)
        session.commit()


@pytest.mark.usefixtures("session")
class TestPasswordChange:
    """By who knows the old one, and by the operator."""

    def test_it_ends_every_other_session_and_link(self) -> None:
        ann = make_account()
        (kept, kept_token), (_, other_token) = _start(ann), _start(ann)
        link = password_resets.make_reset(ann)
        accounts.change_password(ann, current_password=PASSWORD, new_password="another one", keep=kept)
        assert accounts.verify_password(ann, "another one")
        assert not accounts.verify_password(ann, PASSWORD)
        assert sign_in.session_for(kept_token) is kept
        assert sign_in.session_for(other_token) is None
        with pytest.raises(InvalidInput):
            password_resets.reset_password(link, "yet another")

    @pytest.mark.parametrize(
        ("current", "new", "field"),
        [
            ("wrong", "another one", "currentPassword"),
            (PASSWORD, "short", "newPassword"),
            (PASSWORD, "x" * 1025, "newPassword"),
            ("", "12345678\0", "newPassword"),
        ],
    )
    def test_a_refusal_changes_nothing(self, current: str, new: str, field: str) -> None:
        ann = make_account()
        _, token = _start(ann)
        with pytest.raises(InvalidInput) as refused:
            accounts.change_password(ann, current_password=current, new_password=new)
        assert set(refused.value.field_errors) == {field}
        assert accounts.verify_password(ann, PASSWORD)
        assert sign_in.session_for(token) is not None

    def test_the_operator_needs_no_old_one(self) -> None:
        ann = make_account()
        _, token = _start(ann)
        accounts.set_password(ann, "another one")
        assert accounts.verify_password(ann, "another one")
        assert sign_in.session_for(token) is None


@pytest.mark.usefixtures("session")
class TestReset:
    """A link that sets a new password."""

    def test_it_works_once_and_ends_all_sessions(self, session: AppSession) -> None:
        ann = make_account()
        _, session_token = _start(ann)
        token = password_resets.make_reset(ann)
        assert token not in str(session.execute(text("select * from rybbit_password_reset")).all())
        assert password_resets.reset_password(token, "another one") is ann
        assert accounts.verify_password(ann, "another one")
        assert sign_in.session_for(session_token) is None
        with pytest.raises(InvalidInput) as refused:
            password_resets.reset_password(token, "yet another")
        assert set(refused.value.field_errors) == {"token"}
        assert accounts.verify_password(ann, "another one")

    def test_it_works_for_an_hour(self, travel: Travel) -> None:
        ann = make_account()
        early = password_resets.make_reset(ann)
        travel(timedelta(minutes=59))
        password_resets.reset_password(early, "another one")
        late = password_resets.make_reset(ann)
        travel(timedelta(minutes=59 + 60))
        with pytest.raises(InvalidInput):
            password_resets.reset_password(late, "yet another")

    def test_the_last_link_counts(self) -> None:
        ann, bob = make_account(), make_account()
        other = password_resets.make_reset(bob)
        old, new = password_resets.make_reset(ann), password_resets.make_reset(ann)
        with pytest.raises(InvalidInput):
            password_resets.reset_password(old, "another one")
        assert password_resets.reset_password(new, "another one") is ann
        assert password_resets.reset_password(other, "another one") is bob

    def test_an_unfit_password_does_not_use_it_up(self) -> None:
        token = password_resets.make_reset(make_account())
        with pytest.raises(InvalidInput) as refused:
            password_resets.reset_password(token, "short")
        assert set(refused.value.field_errors) == {"newPassword"}
        password_resets.reset_password(token, "long enough")

    @pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "x" * 100_000])
    def test_a_wrong_token(self, token: str) -> None:
        password_resets.make_reset(make_account())
        with pytest.raises(InvalidInput) as refused:
            password_resets.reset_password(token, "another one")
        assert set(refused.value.field_errors) == {"token"}

    def test_the_address_is_the_configured_one(self) -> None:
        for base in ("https://stats.example.com/a", "https://stats.example.com/a/"):
            assert password_resets.reset_url(base, "abc") == "https://stats.example.com/a/reset-password/abc"

    def test_links_that_are_over_are_forgotten(self, session: AppSession, travel: Travel) -> None:
        password_resets.make_reset(make_account())
        travel(timedelta(hours=1))
        bob = make_account()
        password_resets.make_reset(bob)
        assert session.scalars(select(PasswordReset.account_id)).all() == [bob.id]

    def test_a_link_that_another_process_used_meanwhile(self, session: AppSession, engine: Engine) -> None:
        ann = make_account()
        token = password_resets.make_reset(ann)
        session.commit()
        assert session.scalars(select(PasswordReset)).one().used_at is None
        with engine.begin() as other:
            other.execute(update(PasswordReset).values(used_at=clock.now()))
        with pytest.raises(InvalidInput):
            password_resets.reset_password(token, "another one")
        assert accounts.verify_password(ann, PASSWORD)


def test_of_several_who_use_a_link_at_once_one_succeeds(app: Flask, session: AppSession) -> None:
    ann = make_account()
    token = password_resets.make_reset(ann)
    session.commit()
    outcomes: list[str] = []
    together = Barrier(4)

    def use(number: int) -> None:
        with app.app_context():
            together.wait()
            try:
                password_resets.reset_password(token, f"password {number}")
                db.session.commit()
                outcomes.append(f"password {number}")
            except InvalidInput:
                outcomes.append("refused")
                db.session.rollback()

    threads = [Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[1:] == ["refused"] * 3
    session.expire_all()
    assert accounts.verify_password(ann, min(outcomes))
