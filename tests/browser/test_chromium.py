"""Without what they need, browser tests are left out by people, and fail in CI."""

import pytest

from tests.browser import chromium


@pytest.fixture(autouse=True)
def _nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def test_people_can_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install the package `chromium`"):
        chromium.find_chromium()


def test_ci_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install the package `chromium`"):
        chromium.find_chromium()
