"""`rybbit key` and `rybbit site`."""

import re
from typing import Any

import pytest

from tests.cli.conftest import Shell


class TestKeys:
    """`rybbit key`."""

    def test_a_key_is_made_for_either_identifier(self, shell: Shell, first: Any) -> None:
        for site in (str(first["siteId"]), first["id"]):
            (made,) = shell.json("key", "create", "--site", site)
            assert set(made) == {"id", "name", "apiKey"}
            assert re.fullmatch(r"rb_[0-9a-f]{32}", made["apiKey"])

    @pytest.mark.usefixtures("first")
    def test_several_keys_are_numbered(self, shell: Shell) -> None:
        made = shell.json("key", "create", "--site", "1", "--count", "3", "--name", "load")
        assert [key["name"] for key in made] == ["load 1", "load 2", "load 3"]
        assert len({key["apiKey"] for key in made}) == 3
        listed = shell.json("key", "list", "--site", "1")
        assert {key["id"] for key in made} < {key["id"] for key in listed}

    @pytest.mark.usefixtures("first")
    def test_the_list_tells_no_key(self, shell: Shell) -> None:
        (made,) = shell.json("key", "create", "--site", "1", "--name", "ci")
        output = shell.run("key", "list").output + shell.run("key", "list", "--json").output
        assert made["id"] in output
        assert made["apiKey"] not in output

    @pytest.mark.usefixtures("first")
    def test_a_revoked_key_is_marked(self, shell: Shell) -> None:
        (made,) = shell.json("key", "create", "--site", "1")
        shell.run("key", "revoke", made["id"])
        revoked = {key["id"] for key in shell.json("key", "list") if key["revokedAt"]}
        assert revoked == {made["id"]}

    @pytest.mark.usefixtures("first")
    def test_what_does_not_exist_is_told(self, shell: Shell) -> None:
        assert "Site not found" in shell.run("key", "create", "--site", "99", code=1).stderr
        assert "Key not found" in shell.run("key", "revoke", "key_none", code=1).stderr

    @pytest.mark.usefixtures("first")
    def test_a_name_cannot_steer_the_terminal(self, shell: Shell) -> None:
        shell.run("key", "create", "--site", "1", "--name", "a\x1b[2Jb")
        assert "\x1b" not in shell.run("key", "list").output


class TestSites:
    """`rybbit site`."""

    @pytest.mark.usefixtures("first")
    def test_settings_are_set_by_either_name(self, shell: Shell) -> None:
        changes = (
            "blockBots=no",
            "track_ip=ON",
            "excluded_ips=10.0.0.0/8, 192.0.2.1",
            "excludedCountries=DE",
        )
        settings = shell.json("site", "set", "--site", "1", *changes)
        assert (settings["blockBots"], settings["trackIp"]) == (False, True)
        assert settings["excludedIPs"] == ["10.0.0.0/8", "192.0.2.1"]
        assert settings["excludedCountries"] == ["DE"]
        (site,) = shell.json("site", "list")
        assert {name: site[name] for name in settings} == settings

    @pytest.mark.usefixtures("first")
    def test_what_is_printed_can_be_given_back(self, shell: Shell) -> None:
        lines = shell.run("site", "set", "--site", "1", "excludedIPs=10.0.0.1,10.0.0.2").stdout.splitlines()[
            1:
        ]
        written = [f"{name}={''.join(value)}" for name, *value in (line.split() for line in lines)]
        before = shell.json("site", "list")
        shell.run("site", "set", "--site", "1", *written)
        assert shell.json("site", "list") == before

    @pytest.mark.usefixtures("first")
    def test_an_empty_value_empties_a_list(self, shell: Shell) -> None:
        shell.run("site", "set", "--site", "1", "excludedIPs=10.0.0.1")
        assert shell.json("site", "set", "--site", "1", "excludedIPs=")["excludedIPs"] == []

    @pytest.mark.usefixtures("first")
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("blockBots=maybe", "blockBots: Expected boolean, received string"),
            ("excludedIPs=10.0.0.1,nonsense", "nonsense: not an IP address"),
            ("domain=nodot", "domain: Must be a host name with a dot"),
            ("name=", "name: "),
            ("foo=1", "foo: Unrecognized field"),
            ("public", "write it as NAME=VALUE"),
        ],
    )
    def test_a_mistake_is_named_and_nothing_is_changed(self, shell: Shell, change: str, message: str) -> None:
        before = shell.json("site", "list")
        result = shell.run("site", "set", "--site", "1", "public=true", change, code=1)
        assert message in result.stderr
        assert shell.json("site", "list") == before

    @pytest.mark.usefixtures("first")
    def test_events_are_kept_for_days_or_for_ever(self, shell: Shell) -> None:
        for name in ("retentionDays", "retention_days"):
            assert shell.json("site", "set", "--site", "1", f"{name}=30")["retentionDays"] == 30
            assert shell.json("site", "set", "--site", "1", f"{name}=")["retentionDays"] is None
        both = shell.json("site", "set", "--site", "1", "retentionDays=7", "public=yes")
        assert (both["retentionDays"], both["public"]) == (7, True)
        for text in ("0", "3651", "-1", "x"):
            change = f"retentionDays={text}"
            assert "retentionDays: " in shell.run("site", "set", "--site", "1", change, code=1).stderr

    @pytest.mark.usefixtures("first")
    def test_a_setting_is_given_once(self, shell: Shell) -> None:
        result = shell.run("site", "set", "--site", "1", "blockBots=no", "block_bots=yes", code=1)
        assert "blockBots: Given twice" in result.stderr

    @pytest.mark.usefixtures("first")
    def test_a_site_keeps_its_domain_or_moves(self, shell: Shell) -> None:
        assert (
            shell.json("site", "set", "--site", "1", "domain=https://Other.example/")["domain"]
            == "other.example"
        )

    @pytest.mark.usefixtures("first")
    def test_a_private_link_is_made_shown_and_ended(self, shell: Shell) -> None:
        assert shell.run("site", "link", "1").stdout == "There is no private link.\n"
        made = [shell.json("site", "link", "1", "--generate")["privateLinkKey"] for _ in range(2)]
        assert all(re.fullmatch("[0-9a-f]{12}", key) for key in made)
        assert made[0] != made[1]
        assert shell.run("site", "link", "1").stdout == f"{made[1]}\n"
        assert shell.json("site", "link", "1", "--revoke") == {"privateLinkKey": None}
        assert shell.json("site", "link", "1") == {"privateLinkKey": None}
        assert "Site not found" in shell.run("site", "link", "9", code=1).stderr
