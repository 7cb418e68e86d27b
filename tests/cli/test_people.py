"""`rybbit user` and `rybbit org`."""

import re
from typing import Any

import pytest
from click.testing import CliRunner

from rybbit.cli import main
from tests.cli.conftest import Shell
from tests.smtp import Mailbox, serving

KEY = re.compile(r"rb_[0-9a-f]{32}")

pytestmark = pytest.mark.usefixtures("first")


def _members(shell: Shell, *organization: str) -> dict[str, str]:
    return {row["email"]: row["role"] for row in shell.json("org", "member", "list", *organization)}


class TestUsers:
    """`rybbit user`."""

    def test_an_account_is_made_and_listed(self, shell: Shell) -> None:
        made = shell.json("user", "create", "--email", "Bob@Example.com", "--name", "Bob")
        assert (made["email"], made["name"]) == ("bob@example.com", "Bob")
        assert re.fullmatch(r"[a-z2-9-]{23}", made.pop("password"))
        assert shell.json("user", "list")[1] == made
        assert "bob@example.com" in shell.run("user", "list").stdout

    def test_a_password_that_was_given_is_not_shown(self, shell: Shell) -> None:
        result = shell.run("user", "create", "--email", "bob@example.com", "--password", "hunter222")
        assert "hunter222" not in result.output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--email", "ann@example.com"), "Email already in use"),
            (("--email", "bob"), "email: Must be an email address"),
            (("--email", "bob@example.com", "--password", ""), "password: Must have 8"),
        ],
    )
    def test_a_mistake_is_named(self, shell: Shell, arguments: tuple[str, ...], message: str) -> None:
        assert message in shell.run("user", "create", *arguments, code=1).stderr
        assert len(shell.json("user", "list")) == 1

    def test_an_account_is_deleted(self, shell: Shell, first: Any) -> None:
        shell.run("user", "create", "--email", "bob@example.com")
        shell.run("org", "member", "add", "bob@example.com", "--role", "admin")
        shell.json("key", "create", "--account", "bob@example.com")
        assert "the account of bob" in shell.run("user", "delete", "bob@example.com", code=1).stderr
        assert len(shell.json("user", "list")) == 2, "nobody said yes"
        shell.run("user", "delete", "Bob@example.com", "--yes")
        assert [row["email"] for row in shell.json("user", "list")] == ["ann@example.com"]
        assert _members(shell) == {"ann@example.com": "owner"}
        assert not [row for row in shell.json("key", "list") if row["accountId"] and row["name"] == "Key"]

    def test_the_last_owner_is_not_deleted(self, shell: Shell) -> None:
        shell.run("org", "create", "Second", "--owner", "ann@example.com")
        result = shell.run("user", "delete", "ann@example.com", "--yes", code=1)
        assert "needs an owner" in result.stderr
        assert [row["email"] for row in shell.json("user", "list")] == ["ann@example.com"]
        assert len(shell.json("key", "list")) == 2

    def test_a_link_for_a_new_password_is_printed(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = shell.run("user", "reset", "ann@example.com")
        assert re.fullmatch(r"http://127.0.0.1:8000/reset-password/[\w-]{43}\n", result.stdout)
        assert "RYBBIT_BASE_URL" in result.stderr
        monkeypatch.setenv("RYBBIT_BASE_URL", "https://stats.example.com")
        url = shell.json("user", "reset", "ann@example.com")["url"]
        assert url.startswith("https://stats.example.com/reset-password/")

    def test_a_link_is_mailed_where_there_is_a_mail_server(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(Mailbox()) as mailbox:
            monkeypatch.setenv("RYBBIT_SMTP_HOST", "127.0.0.1")
            monkeypatch.setenv("RYBBIT_SMTP_PORT", str(mailbox.port))
            monkeypatch.setenv("RYBBIT_SMTP_FROM", "stats@example.com")
            monkeypatch.setenv("RYBBIT_SMTP_TLS", "none")
            result = shell.run("user", "reset", "ann@example.com")
            assert result.stdout == "The link was mailed to ann@example.com.\n"
            assert mailbox.recipients == ["ann@example.com"]
            assert "/reset-password/" in mailbox.messages[0].get_content()
            assert "/reset-password/" in shell.run("user", "reset", "ann@example.com", "--show").stdout
            mailbox.refuses = True
            failed = shell.run("user", "reset", "ann@example.com", code=1)
            assert "did not take the message" in failed.stderr
            assert len(mailbox.messages) == 1

    def test_a_password_is_asked_for(self) -> None:
        typed = "another one\nanother one\n"
        result = CliRunner().invoke(main, ["user", "password", "Ann@example.com"], input=typed)
        assert result.exit_code == 0, result.output
        assert "ann@example.com has another password" in result.stdout
        assert "another one" not in result.output

    def test_nobody_is_told(self, shell: Shell) -> None:
        for arguments in (("reset",), ("password", "--password", "long enough")):
            stderr = shell.run("user", *arguments, "nobody@example.com", code=1).stderr
            assert "Account not found" in stderr


class TestOrganizations:
    """`rybbit org`."""

    def test_an_organization_is_made_and_listed(self, shell: Shell, first: Any) -> None:
        made = shell.json("org", "create", "Beta", "--owner", "ann@example.com")
        rows = shell.json("org", "list")
        assert [(row["id"], row["name"], row["members"], row["sites"]) for row in rows] == [
            (made["id"], "Beta", 1, 0),
            (first["organizationId"], "example.com", 1, 1),
        ]
        assert "Account not found" in shell.run("org", "create", "C", "--owner", "x@y.z", code=1).stderr

    def test_members_come_change_and_go(self, shell: Shell) -> None:
        shell.run("user", "create", "--email", "bob@example.com")
        shell.run("org", "member", "add", "bob@example.com", "--role", "admin")
        assert _members(shell) == {"ann@example.com": "owner", "bob@example.com": "admin"}
        shell.run("org", "member", "role", "bob@example.com", "owner")
        shell.run("org", "member", "remove", "ann@example.com")
        assert _members(shell) == {"bob@example.com": "owner"}
        assert "needs an owner" in shell.run("org", "member", "remove", "bob@example.com", code=1).stderr

    def test_of_several_one_has_to_be_named(self, shell: Shell, first: Any) -> None:
        made = shell.json("org", "create", "Beta", "--owner", "ann@example.com")
        shell.run("user", "create", "--email", "bob@example.com")
        refused = shell.run("org", "member", "add", "bob@example.com", code=1)
        assert "--org: There are 2" in refused.stderr
        shell.run("org", "member", "add", "bob@example.com", "--org", made["id"])
        assert _members(shell, "--org", made["id"])["bob@example.com"] == "member"
        assert list(_members(shell, "--org", first["organizationId"])) == ["ann@example.com"]
        unknown = shell.run("org", "member", "list", "--org", "org_none", code=1)
        assert "Organization not found" in unknown.stderr

    def test_an_invitation_is_a_link(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RYBBIT_BASE_URL", "https://stats.example.com/")
        result = shell.run("org", "invite", "--role", "admin", "--email", "bob@example.com")
        assert re.fullmatch(r"https://stats.example.com/invitation/[\w-]{43}\n", result.stdout)
        assert "email: Must be" in shell.run("org", "invite", "--email", "bob", code=1).stderr

    def test_an_invitation_is_mailed_to_whom_it_is_for(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(Mailbox()) as mailbox:
            monkeypatch.setenv("RYBBIT_SMTP_HOST", "127.0.0.1")
            monkeypatch.setenv("RYBBIT_SMTP_PORT", str(mailbox.port))
            monkeypatch.setenv("RYBBIT_SMTP_FROM", "stats@example.com")
            monkeypatch.setenv("RYBBIT_SMTP_TLS", "none")
            assert shell.json("org", "invite", "--email", "Bob@example.com") == {
                "mailedTo": "bob@example.com"
            }
            assert "/invitation/" in shell.json("org", "invite")["url"]
        assert mailbox.recipients == ["bob@example.com"]
        assert mailbox.messages[0]["Subject"] == "Invitation to example.com"

    def test_a_key_of_the_organization(self, shell: Shell, first: Any) -> None:
        (made,) = shell.json(
            "org", "key", "create", "--name", "ci", "--scope", "stats:read", "--expires", "90d"
        )
        assert KEY.fullmatch(made["apiKey"])
        (row,) = [row for row in shell.json("key", "list") if row["id"] == made["id"]]
        assert (row["organizationId"], row["scopes"]) == (first["organizationId"], ["stats:read"])
        assert row["expiresAt"] > row["createdAt"]


class TestKeys:
    """`rybbit key create` for every holder."""

    def test_the_key_of_a_person(self, shell: Shell) -> None:
        scopes = ("--scope", "sites:read", "--scope", "track")
        (made,) = shell.json(
            "key", "create", "--account", "ann@example.com", *scopes, "--expires", "2099-12-31"
        )
        (row,) = [row for row in shell.json("key", "list") if row["id"] == made["id"]]
        assert row["accountId"].startswith("user_")
        assert row["scopes"] == ["track", "sites:read"]
        assert row["expiresAt"] == "2100-01-01T00:00:00.000Z"

    def test_the_key_of_an_organization(self, shell: Shell, first: Any) -> None:
        (made,) = shell.json("key", "create", "--org", first["organizationId"])
        (row,) = [row for row in shell.json("key", "list") if row["id"] == made["id"]]
        assert (row["organizationId"], row["scopes"], row["expiresAt"]) == (
            first["organizationId"],
            None,
            None,
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("--site", "1", "--account", "ann@example.com"),
            ("--site", "1", "--scope", "track"),
            ("--site", "1", "--expires", "90d"),
            ("--account", "ann@example.com", "--scope", "everything"),
        ],
    )
    def test_what_does_not_go_together(self, shell: Shell, arguments: tuple[str, ...]) -> None:
        assert "Usage:" in shell.run("key", "create", *arguments, code=2).stderr
        assert len(shell.json("key", "list")) == 2

    @pytest.mark.parametrize("end", ["soon", "0d", "-1d", "2000-01-01", "2099-13-01", "99999999d", "90"])
    def test_an_end_that_is_none(self, shell: Shell, end: str) -> None:
        refused = shell.run("key", "create", "--account", "ann@example.com", "--expires", end, code=1)
        assert "--expires" in refused.stderr or "expiresAt" in refused.stderr
        assert len(shell.json("key", "list")) == 2


class TestSites:
    """`rybbit site create`, `show` and `delete`."""

    def test_a_site_is_made_and_shown(self, shell: Shell, first: Any) -> None:
        made = shell.json("site", "create", "--domain", "https://Other.example/")
        assert (made["domain"], made["name"]) == ("other.example", "other.example")
        assert made["organizationId"] == first["organizationId"]
        assert (
            shell.json("site", "show", made["id"]) == shell.json("site", "show", str(made["siteId"])) == made
        )
        assert "other.example" in shell.run("site", "show", made["id"]).stdout
        assert (
            "Domain already in use" in shell.run("site", "create", "--domain", "other.example", code=1).stderr
        )

    def test_a_site_is_deleted_after_a_question(self, shell: Shell, first: Any) -> None:
        refused = CliRunner().invoke(main, ["site", "delete", first["id"]], input="n\n")
        assert refused.exit_code == 1
        assert len(shell.json("site", "list")) == 1
        agreed = CliRunner().invoke(main, ["site", "delete", first["id"]], input="y\n")
        assert agreed.exit_code == 0, agreed.output
        assert shell.json("site", "list") == []
        assert len(list((shell.instance / "tombstones").glob("*.json"))) == 1
        assert "Site not found" in shell.run("site", "delete", first["id"], "--yes", code=1).stderr
        assert shell.json("site", "create", "--domain", "example.com")["siteId"] == first["siteId"] + 1
