"""The rate limit: 20 requests a second and key, unless a setting says otherwise."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rybbit import clock
from rybbit.errors import ConfigurationError
from tests.web.world import CRAWLER, PEER, Sender, World, running

ACCEPTED = {"success": True}
Mover = Callable[[float], None]


@pytest.fixture(autouse=True)
def move_clock(monkeypatch: pytest.MonkeyPatch) -> Mover:
    """Stops the clock that windows are measured with, and moves it by seconds."""
    moment = [clock.monotonic()]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])

    def move(seconds: float) -> None:
        moment[0] += seconds

    return move


def _refusal(limit: str, per: str = "API key") -> dict[str, object]:
    return {"success": False, "error": f"Rate limit exceeded. Maximum {limit} per {per}."}


def _sender(world: World, way: str) -> Sender:
    return Sender(world.client(way), world.add_tenant())


class TestDefault:
    """20 a second."""

    def test_the_21st_of_a_second_is_refused(self, world: World, sender: Sender, move_clock: Mover) -> None:
        assert [sender.send().json for _ in range(20)] == [ACCEPTED] * 20
        answer = sender.send()
        assert (answer.status_code, answer.json) == (429, _refusal("20 requests per second"))
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert len(world.stored(sender.tenant)) == 20
        assert world.drops(sender.tenant) == {("rate_limit", sender.tenant.key_id): 1}
        move_clock(0.99)
        assert sender.send().status_code == 429
        move_clock(0.02)
        assert sender.send().json == ACCEPTED

    def test_each_key_has_its_own(self, world: World, sender: Sender) -> None:
        other = world.add_key(sender.tenant)
        for key in (sender.tenant.api_key, other):
            answers = [sender.send(key=key).status_code for _ in range(21)]
            assert answers == [200] * 20 + [429]

    def test_both_ways_in_and_both_places_of_a_key_count_together(
        self, world: World, sender: Sender, way: str
    ) -> None:
        other = Sender(world.client("flask" if way == "front" else "front"), sender.tenant)
        for each in (sender, other):
            for _ in range(5):
                assert each.send().json == ACCEPTED
                assert each.post(each.event(api_key=each.tenant.api_key)).json == ACCEPTED
        assert sender.send().status_code == 429
        assert other.send().status_code == 429

    def test_what_is_filtered_counts(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=[PEER])
        assert {sender.send().status_code for _ in range(20)} == {200}
        assert sender.send().status_code == 429
        assert world.drops(sender.tenant) == {("ip", PEER): 20, ("rate_limit", sender.tenant.key_id): 1}

    def test_what_is_refused_before_does_not_count(self, world: World, sender: Sender) -> None:
        stranger = world.add_tenant()
        for _ in range(25):
            assert sender.send(typo=1).status_code == 400
            assert sender.send(site_id="99999999").status_code == 403
            assert sender.send(site_id=stranger.id).status_code == 403
        assert sender.send().json == ACCEPTED

    def test_doubles_count(self, sender: Sender) -> None:
        answers = [sender.send(event_id="same").status_code for _ in range(21)]
        assert answers == [200] * 20 + [429]

    def test_an_account_key_has_one_limit_for_all_its_sites(self, world: World, sender: Sender) -> None:
        key = sender.tenant.account_key
        assert {sender.send(key=key).status_code for _ in range(20)} == {200}
        assert sender.send(key=key).status_code == 429
        assert sender.send().json == ACCEPTED

    def test_at_once_from_many_threads(self, world: World, sender: Sender) -> None:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: sender.send().status_code, range(60)))
        assert sorted(answers) == [200] * 20 + [429] * 40
        assert len(world.stored(sender.tenant)) == 20
        assert world.drops(sender.tenant) == {("rate_limit", sender.tenant.key_id): 40}

    def test_two_apps_on_one_instance_count_together(
        self, tmp_path: Path, migrated_file: Path, way: str
    ) -> None:
        folder = tmp_path / "instance"
        with running(folder, migrated_file) as one, running(folder, migrated_file) as two:
            tenant = one.add_tenant()
            first, second = Sender(one.client(way), tenant), Sender(two.client(way), tenant)
            answers = [each.send().status_code for _ in range(10) for each in (first, second)]
            assert answers == [200] * 20
            assert [first.send().status_code, second.send().status_code] == [429, 429]
            assert len(two.stored(tenant)) == 20


class TestSetting:
    """`RYBBIT_TRACK_RATE_LIMIT` and `RYBBIT_BROWSER_RATE_LIMIT`."""

    @pytest.mark.parametrize(
        ("written", "amount", "in_words"),
        [
            ("3/minute", 3, "3 requests per minute"),
            ("1 per 2 hours", 1, "1 request per 2 hours"),
            (" 2/SECOND ", 2, "2 requests per second"),
        ],
    )
    def test_the_message_names_it(
        self, tmp_path: Path, migrated_file: Path, way: str, written: str, amount: int, in_words: str
    ) -> None:
        with running(tmp_path / "instance", migrated_file, RYBBIT_TRACK_RATE_LIMIT=written) as world:
            sender = _sender(world, way)
            assert [sender.send().status_code for _ in range(amount)] == [200] * amount
            answer = sender.send()
            assert (answer.status_code, answer.json) == (429, _refusal(in_words))
            unit = {"minute": 60, "hours": 7200, "second": 1}[in_words.split()[-1]]
            assert unit - 1 <= int(answer.headers["Retry-After"]) <= unit

    def test_empty_is_off(self, tmp_path: Path, migrated_file: Path, way: str) -> None:
        with running(tmp_path / "instance", migrated_file, RYBBIT_TRACK_RATE_LIMIT="") as world:
            sender = _sender(world, way)
            assert {sender.send().status_code for _ in range(60)} == {200}

    @pytest.mark.parametrize("written", ["20", "20/fortnight", "0/second", "20/second;5/minute", "-1/second"])
    @pytest.mark.parametrize("setting", ["RYBBIT_TRACK_RATE_LIMIT", "RYBBIT_BROWSER_RATE_LIMIT"])
    def test_what_is_no_limit_is_refused_at_start(
        self, tmp_path: Path, migrated_file: Path, setting: str, written: str
    ) -> None:
        given: dict[str, Any] = {setting: written}
        with (
            pytest.raises(ConfigurationError, match=setting),
            running(tmp_path / "instance", migrated_file, **given),
        ):
            pass

    def test_browsers_by_address(self, tmp_path: Path, migrated_file: Path, way: str) -> None:
        with running(tmp_path / "instance", migrated_file, RYBBIT_BROWSER_RATE_LIMIT="2/minute") as world:
            sender = _sender(world, way)
            assert sender.browse().json == ACCEPTED
            assert sender.browse(headers={"User-Agent": CRAWLER}).status_code == 200
            answer = sender.browse()
            assert (answer.status_code, answer.json) == (429, _refusal("2 requests per minute", "address"))
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            elsewhere = sender.post(
                sender.event(), headers={"Origin": sender.tenant.origin}, peer="192.0.2.77"
            )
            assert elsewhere.json == ACCEPTED
            assert sender.send().json == ACCEPTED
            # Addresses are nobody's business, so the count does not name them.
            assert world.drops(sender.tenant) == {("rate_limit", "address"): 1, ("bot", ""): 1}

    def test_a_batch_of_a_browser_counts_once(self, tmp_path: Path, migrated_file: Path, way: str) -> None:
        with running(tmp_path / "instance", migrated_file, RYBBIT_BROWSER_RATE_LIMIT="2/minute") as world:
            sender = _sender(world, way)
            batch = {"events": [sender.event()] * 30}
            headers = {"Origin": sender.tenant.origin}
            answers = [sender.post(batch, path="/api/track/batch", headers=headers) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert len(world.stored(sender.tenant)) == 60
