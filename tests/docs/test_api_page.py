"""The page about the API names what there is."""

import re
from pathlib import Path

import pytest

from mooring.http.errors import CODES, Code
from mooring.http.openapi import document
from mooring.http.reference import page
from mooring.http.server import ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: str(code.number))
def test_every_code_stands_on_the_page_with_its_status(code: Code) -> None:
    assert f"| `mooring-{code.number}` | {code.status} |" in PAGE


def test_the_page_for_people_has_every_operation_and_nothing_from_elsewhere() -> None:
    text = page(document(ROUTES)).decode()
    assert all(f"id='{route.operation}'" in text for route in ROUTES)
    assert not re.search(r"<script|<link|<img|src=|href='(?!#)", text)
    links: set[str] = set(re.findall(r"href='#([^']+)'", text))
    assert links <= set(re.findall(r"id='([^']+)'", text))


def test_every_route_is_in_the_document_under_a_name_of_its_own() -> None:
    text = document(ROUTES).decode()
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
    assert all(f'"operationId":"{route.operation}"' in text for route in ROUTES)
