"""A client that knows no kind of ours: lists, objects and errors as rh-trex sends them, and where the base is."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from surfaces.people import BASE, Asker
from surfaces.samples import SAMPLES, Sample

Json = dict[str, Any]
PAGE = 2


class Refused(Exception):
    """What the server said instead."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{body['code']}: {body['reason']} ({body['operation_id']})")
        self.status, self.body = status, body


@dataclass(frozen=True, kw_only=True)
class Generic:
    """What such a client does, whatever it is about."""

    http: httpx.AsyncClient
    base: str
    token: str

    async def _ask(self, method: str, path: str, **given: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self.http.request(method, path, headers=headers, **given)
        body: Json = answer.json() if answer.content else {}
        if answer.status_code >= 400:
            assert body["kind"] == "Error"
            assert {"id", "href", "code", "reason", "operation_id"} <= body.keys()
            raise Refused(answer.status_code, body)
        return body

    async def page(self, collection: str, **asked: object) -> Json:
        """One page of a list."""
        found = await self._ask("GET", f"{self.base}/{collection}", params=asked)
        assert found["kind"].endswith("List")
        assert found["size"] == len(found["items"])
        return found

    async def every(self, collection: str, **asked: object) -> AsyncGenerator[Json]:
        """All of a list, page after page, until there are as many as it says."""
        page = met = 0
        while True:
            page += 1
            found = await self.page(collection, page=page, size=PAGE, **asked)
            assert found["page"] == page
            for item in found["items"]:
                yield item
            met += found["size"]
            if met >= found["total"] or not found["items"]:
                return

    async def make(self, collection: str, body: Json) -> Json:
        return await self._ask("POST", f"{self.base}/{collection}", json=body)

    async def read(self, href: str) -> Json:
        return await self._ask("GET", href)

    async def change(self, href: str, patch: Json) -> Json:
        return await self._ask("PATCH", href, json=patch)

    async def remove(self, href: str) -> None:
        await self._ask("DELETE", href)


@pytest.fixture
def client(admin: Asker) -> Generic:
    return Generic(http=admin.http, base=BASE, token=admin.token)


@pytest.mark.parametrize("sample", [pytest.param(sample, id=kind) for kind, sample in SAMPLES.items()])
async def test_a_client_that_knows_no_kind_makes_reads_finds_changes_and_removes_any(
    admin: Asker, client: Generic, sample: Sample
) -> None:
    collection = sample.path.strip("/")
    made = await client.make(collection, await sample.body(admin))
    assert made["kind"] == sample.kind
    assert await client.read(made["href"]) == sample.shown(made)
    found = await client.page(collection, search=f"id = '{made['id']}'", orderBy="created_at desc", fields="version")
    assert found["items"] == [{"id": made["id"], "kind": made["kind"], "href": made["href"], "version": 1}]
    assert (await client.change(made["href"], sample.patch))["version"] == 2
    await client.remove(made["href"])
    with pytest.raises(Refused) as refused:
        await client.read(made["href"])
    assert (refused.value.status, refused.value.body["code"]) == (404, "mooring-7")
    assert (await client.read(refused.value.body["href"]))["code"] == "mooring-7"


async def test_every_list_is_walked_by_page_and_size_to_its_total(admin: Asker, client: Generic) -> None:
    for sample in SAMPLES.values():
        if sample.kind != "User":
            await client.make(sample.path.strip("/"), await sample.body(admin))
    document = await client.read(f"{BASE}/openapi")
    walked = 0
    for path, methods in document["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {})
        shape = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
        shown = document["components"]["schemas"].get(shape.rpartition("/")[2], {})
        if "{" in path or "total" not in shown.get("properties", {}):
            continue
        walked += 1
        collection = path.strip("/")
        total = (await client.page(collection, size=0))["total"]
        assert len([item async for item in client.every(collection)]) == total, path
    assert walked >= len(SAMPLES)


async def test_lists_inside_an_owner_have_pages_too(admin: Asker, client: Generic) -> None:
    workflow = await client.make("workflows", {"name": "w"})
    skills = [await client.make("skills", {"name": name}) for name in "abcde"]
    placed = {"items": [{"skill_id": skill["id"]} for skill in skills]}
    assert (await admin.ask("PUT", f"{workflow['href']}/skills", placed)).json()["size"] == 5
    walked = [item["skill_id"] async for item in client.every(f"workflows/{workflow['id']}/skills")]
    assert walked == [skill["id"] for skill in skills]
    assert (await client.page(f"workflows/{workflow['id']}/skills"))["size"] == 5
