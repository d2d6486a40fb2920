"""Secrets in a vault: named by operations, used by tests, and what goes when one is taken away."""

from typing import Any

import pytest
from thousandeyes_account import Account

CONJUR = {"type": "conjur", "name": "safe", "target": "https://vault.example", "account": "ops",
          "authentication": {"type": "conjur-host", "hostId": "h", "apiKey": "k"}}  # fmt: skip
SECRETS = {"name": "secrets", "secrets": [{"name": "one", "secretKey": "a"}, {"name": "two", "secretKey": "b"}]}


class Safe(Account):
    """A connector with an operation, and a test that uses the operation's first secret."""

    def __init__(self) -> None:
        super().__init__()
        self.connector = self.ask("POST", "/connectors/conjur", CONJUR, status=201)["id"]
        self.operation = self.ask("POST", "/operations/credential-vault", SECRETS, status=201)
        self.first, self.second = (entry["id"] for entry in self.operation["secrets"])
        self.ask("PUT", f"/connectors/conjur/{self.connector}/operations", [self.operation["id"]])
        self.using = self.test(vaultCredentials=[{"secretId": self.first, "target": "password"}])

    @property
    def enabled(self) -> bool:
        return bool(self.ask("GET", f"/tests/http-server/{self.using}")["enabled"])


@pytest.fixture
def here() -> Safe:
    return Safe()


def test_keys_of_a_vault_are_masked_and_kept(here: Safe) -> None:
    """What comes back masked can be sent back."""
    path = f"/connectors/conjur/{here.connector}"
    shown = here.ask("GET", path)
    assert (shown["authentication"]["apiKey"], shown["authentication"]["hostId"]) == ("*****", "h")
    assert here.ask("PUT", path, shown | {"name": "other"})["name"] == "other"
    assert here.ask("GET", f"{path}/operations")["items"] == [here.operation["id"]]
    (listed,) = here.ask("GET", "/connectors/conjur")["items"]
    assert listed["target"] == CONJUR["target"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/operations/credential-vault/{operation}", None),
        ("DELETE", "/connectors/conjur/{connector}", None),
        ("PUT", "/connectors/conjur/{connector}/operations", []),
        (
            "PUT",
            "/operations/credential-vault/{operation}",
            {"name": "n", "secrets": [{"name": "x", "secretKey": "y"}]},
        ),
    ],
)
def test_a_secret_in_use_goes_only_when_that_is_confirmed(here: Safe, method: str, path: str, body: Any) -> None:
    """Unconfirmed it is refused and nothing changes; confirmed, the test is disabled."""
    path = path.format(operation=here.operation["id"], connector=here.connector)
    assert here.wrong(method, path, body) == ["confirmDisabledObjects"]
    assert here.enabled
    here.ask(method, f"{path}?confirmDisabledObjects=true", body, status=204 if method == "DELETE" else 200)
    assert not here.enabled


def test_what_nobody_uses_goes_without_a_word(here: Safe) -> None:
    """The second secret, and everything once the test is gone."""
    kept = {"name": "secrets", "secrets": [{"id": here.first, "name": "one", "secretKey": "a"}]}
    changed = here.ask("PUT", f"/operations/credential-vault/{here.operation['id']}", kept)
    assert [entry["id"] for entry in changed["secrets"]] == [here.first]
    here.ask("DELETE", f"/tests/http-server/{here.using}", status=204)
    here.ask("DELETE", f"/operations/credential-vault/{here.operation['id']}", status=204)
    assert here.ask("GET", f"/connectors/conjur/{here.connector}/operations")["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/connectors/panorama", {"authentication": {"type": "other-token"}}, ["authentication.token"]),
        (
            "/connectors/panorama",
            {"authentication": {"type": "pan-key-gen", "username": "u"}},
            ["authentication.password", "authentication.keyTtl"],
        ),
        ("/connectors/conjur", {"authentication": {"type": "basic"}, "account": "a"}, None),
        ("/operations/credential-vault", {"secrets": []}, ["secrets"]),
    ],
)
def test_connectors_and_operations_are_checked(
    here: Safe, path: str, body: dict[str, Any], fields: list[str] | None
) -> None:
    """Each login needs what it needs, and an operation at least one secret."""
    wish = {"type": "t", "name": "n", "target": "https://x.example", **body}
    assert here.wrong("POST", path, wish) == (
        fields or ["authentication.type", "authentication.hostId", "authentication.apiKey"]
    )


def test_only_a_vaults_operations_go_through_its_connector(here: Safe) -> None:
    """Anything else is refused where it stands; through a firewall goes nothing."""
    body = {"type": "panorama", "name": "n", "target": "https://x.example",
            "authentication": {"type": "other-token", "token": "t"}}  # fmt: skip
    wall = here.ask("POST", "/connectors/panorama", body, status=201)["id"]
    assert here.wrong("PUT", f"/connectors/conjur/{here.connector}/operations", ["7"]) == ["[0]"]
    assert here.wrong("PUT", f"/connectors/panorama/{wall}/operations", [here.operation["id"]]) == ["[0]"]
    assert here.ask("PUT", f"/connectors/panorama/{wall}/operations", [])["items"] == []
