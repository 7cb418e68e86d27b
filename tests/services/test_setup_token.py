"""The token of the first run in a browser."""

import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import scoped_session

from rybbit.errors import InvalidInput
from rybbit.services import accounts, setup, setup_token


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the token lies."""
    place = tmp_path / "tokens"
    place.mkdir()
    return place


@pytest.mark.usefixtures("session")
class TestToken:
    """Known to whoever started the server."""

    def test_it_opens_while_nobody_has_an_account(self, folder: Path) -> None:
        token = setup_token.make_setup_token(folder)
        assert setup_token.opens_setup(folder, token)
        assert not setup_token.opens_setup(folder, token[:-1])
        assert not setup_token.opens_setup(folder, "")
        accounts.create_account("ann@example.com", password=None)
        assert not setup_token.opens_setup(folder, token)

    def test_a_new_one_ends_the_old_one(self, folder: Path) -> None:
        old, new = setup_token.make_setup_token(folder), setup_token.make_setup_token(folder)
        assert not setup_token.opens_setup(folder, old)
        assert setup_token.opens_setup(folder, new)

    def test_only_its_hash_is_kept_and_nobody_else_reads_it(self, folder: Path) -> None:
        token = setup_token.make_setup_token(folder)
        [file] = folder.iterdir()
        assert token not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_without_a_file_nothing_opens(self, folder: Path) -> None:
        assert not setup_token.opens_setup(folder, "x")
        token = setup_token.make_setup_token(folder)
        setup_token.end_setup_token(folder)
        setup_token.end_setup_token(folder)
        assert not setup_token.opens_setup(folder, token)


def test_everything_that_is_unfit_is_named_at_once(session: scoped_session[Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        setup.set_up(email="", domain="", password="", owner_name="x" * 256)
    assert set(refused.value.field_errors) == {"email", "domain", "password", "ownerName"}
    assert not accounts.has_accounts()
