"""Documents: what a file cannot mean is refused with its place."""

from pathlib import Path

import pytest

from mooring.cli import documents, making
from mooring.client.errors import Unfit


def read(tmp_path: Path, text: str) -> list[documents.Document]:
    (tmp_path / "a.yaml").write_text(text)
    return documents.read([str(tmp_path / "a.yaml")])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("kind: agent\nname: a\nname: b", 3, "this is not YAML: the key 'name' stands here twice"),
        ("\n\nkind: agent", 3, "agent: name must be text"),
        ("kind: agent\nname: 3", 1, "agent: name must be text"),
        ("kind: agent\nname: ' '", 1, "agent: name must be text"),
        ("kind: agent\nname: a\nid: 3", 1, "agent 'a': id must be text"),
        ("kind: session\nname: a", 1, "kind 'session' cannot be declared"),
        ("kind: token\nname: a", 1, "kind 'token' cannot be declared"),
        ("name: a", 1, "kind None cannot be declared"),
        ("- a\n- b", 1, "a document must be a mapping"),
        ("3: 4", 1, "a document must be a mapping"),
        ("kind: agent\nname: [", 2, "this is not YAML"),
        ("kind: agent\nname: a\nspec: 3", 1, "spec must be a mapping"),
        ("kind: agent\nname: a\nmodel: x\nspec: {model: y}", 1, "model stands both in spec and beside it"),
        ("kind: agent\nname: a\n---\nkind: agent\nname: a", 4, "it is declared twice, also in "),
        ("a: !!python/object/apply:os.system ['true']", 1, "this is not YAML"),
    ],
)
def test_what_a_document_cannot_mean_is_refused_with_its_place(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(Unfit) as raised:
        read(tmp_path, text)
    assert raised.value.reason.startswith(f"{tmp_path}/a.yaml:{line}: ")
    assert says in raised.value.reason


def test_nothing_declared_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="there is no document"):
        read(tmp_path, "# nothing\n---\n")


def test_each_comes_after_those_it_refers_to(tmp_path: Path) -> None:
    found = read(tmp_path, "{kind: workflow, name: w}\n--- {kind: Task, name: t}\n--- {kind: agents, name: a}")
    assert [document.kind.noun for document in found] == ["agent", "task", "workflow"]


def test_fields_stand_beside_the_name_or_in_a_spec(tmp_path: Path) -> None:
    flat, inner = (
        read(tmp_path, text)[0] for text in ("kind: agent\nname: a\nmodel: m", "kind: agent\nname: a\nspec: {model: m}")
    )
    assert (flat.name, flat.spec) == (inner.name, inner.spec) == ("a", {"model": "m"})


def test_a_user_is_named_by_the_username(tmp_path: Path) -> None:
    flat, inner = (
        read(tmp_path, text)[0]
        for text in ("kind: user\nusername: u\nname: U Long", "kind: user\nname: u\nspec: {name: U Long}")
    )
    assert (flat.name, flat.spec) == (inner.name, inner.spec) == ("u", {"name": "U Long"})


def test_a_path_of_openbao_without_a_key_is_the_place_of_its_key_value(tmp_path: Path) -> None:
    [document] = read(tmp_path, "kind: secret\nname: a\nvault: openbao\nvault_id: app/a#value")
    there = {"vault": "openbao", "vault_id": "app/a"}
    assert making.remaining(document, {**document.spec, "name": "a"}, there) == {"name": "a"}
    with pytest.raises(Unfit, match="vault_id: it lies in openbao as app/b"):
        making.remaining(document, document.spec, {**there, "vault_id": "app/b"})
