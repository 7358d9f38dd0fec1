"""The credentials a session fetches repositories with: its group's, for as long as who started it may have them."""

import pytest

from mooring.app import App
from mooring.compute.deliveries import Withheld
from mooring.sessions.credentials import Credentials
from mooring.sessions.store import sessions as store
from surfaces.machines import events, machine
from surfaces.people import Asker, join
from surfaces.test_sessions_by_rest import session

URL = "https://git.example.org/private.git"


async def test_who_left_the_group_since_they_started_the_session_fetches_with_no_credential_of_it(
    admin: Asker, app: App
) -> None:
    small, author = await machine(admin), await join(admin, "author")
    secret = await small.secret("git", "ci:s3cr3t-canary")
    group = f"/groups/{small.group['id']}"
    await admin.ask("PATCH", group, {"git_credentials": {"git.example.org": secret["id"]}})
    await admin.ask("PUT", f"{group}/members/{author.id}", {"role": "operator"})
    started = await session(author, compute_instance_id=small.instance["id"], start=True)
    async with app.database.reading() as tx:
        request = await store.request(tx, started["id"])
    assert request is not None

    def fresh() -> Credentials:
        return Credentials(
            database=app.database, vaults=app.vaults, session_id=started["id"], instance=request.instance
        )

    found = await fresh().of(URL)
    assert found is not None
    assert found.username == "ci"
    await admin.ask("PUT", f"{group}/members/{author.id}", {"role": "viewer"})
    with pytest.raises(Withheld, match="no operator of its instance's group any more"):
        await fresh().of(URL)
    await admin.ask("PUT", f"{group}/members/{author.id}", {"role": "owner"})
    assert await fresh().of(URL) is not None
    await admin.ask("POST", f"/users/{author.id}/disable")
    with pytest.raises(Withheld, match="disabled"):
        await fresh().of(URL)
    told = [one["details"] for one in await events(admin, secret["id"]) if one["action"] == "secret.fetch"]
    assert [(one["vault"], one["vault_version"]) for one in told] == [("local", "1")] * 2
