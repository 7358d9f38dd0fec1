"""The OpenAPI document as one page for people: no script, nothing from elsewhere. Pure."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import msgspec

from mooring.http.route import JSON

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: 0 .8rem; }
summary { cursor: pointer; padding: .4rem 0; }
code, .method { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
pre { font: .85em/1.4 ui-monospace, monospace; background: var(--soft); padding: .6rem; border-radius: .4rem;
  overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-top: 1px solid var(--soft); }
nav a { margin-right: .8rem; }
"""
# The page's own style and nothing else: neither scripts nor anything from another host is let in.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)


def page(document: bytes) -> bytes:
    """The page of a document."""
    read: dict[str, Any] = msgspec.json.decode(document)
    return "".join(_page(read)).encode()


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    yield "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
    yield "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    yield f"<title>Mooring API</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>Mooring API {escape(document['info']['version'])}</h1>"
    base = escape(document["servers"][0]["url"])
    yield f"<p>All of it is under <code>{base}</code>; for programs it is described at <code>{base}/openapi</code>.</p>"
    tags: list[str] = [tag["name"] for tag in document["tags"]]
    yield "<nav>" + "".join(f"<a href='#{escape(tag)}'>{escape(_words(tag))}</a>" for tag in tags) + "</nav>"
    for tag in tags:
        yield f"<h2 id='{escape(tag)}'>{escape(_words(tag))}</h2>"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield from _operation(path, method, operation, document["components"]["responses"])
    yield "<h2 id='schemas'>shapes</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f"<details id='schema-{escape(name)}'><summary><code>{escape(name)}</code></summary>"
        yield from _shape(schema)
        yield "</details>"
    yield "</body></html>"


def _operation(
    path: str, method: str, operation: Mapping[str, Any], refusals: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    yield f"<details id='{escape(operation['operationId'])}'><summary><span class='method'>{method.upper()}</span>"
    yield f"<code>{escape(path)}</code> — {escape(operation['summary'])}</summary>"
    if operation["parameters"]:
        yield "<table><tr><th>parameter</th><th>in</th><th>what it is</th></tr>"
        for given in operation["parameters"]:
            says = given["description"]
            name, kind = escape(given["name"]), _type(given["schema"])
            yield _row(f"<code>{name}</code>", escape(given["in"]), f"{kind} {escape(says)}")
        yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(media)}</code>: {_type(content['schema'])}</p>"
        yield from _example(content)
    yield "<table><tr><th>answer</th><th></th><th>body</th></tr>"
    good = operation["responses"][next(iter(operation["responses"]))]
    for status, told in operation["responses"].items():
        answer = refusals[status] if "$ref" in told else told
        bodies = ", ".join(_type(content["schema"]) for content in answer.get("content", {}).values())
        yield _row(f"<code>{status}</code>", escape(answer["description"]), bodies)
    yield "</table>"
    yield from _example(good.get("content", {}).get(JSON, {}))
    yield "</details>"


def _example(content: Mapping[str, Any]) -> Iterator[str]:
    if "example" in content:
        text = msgspec.json.format(msgspec.json.encode(content["example"]), indent=2).decode()
        yield f"<pre>{escape(text)}</pre>"


def _shape(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("description"):
        yield f"<p>{escape(schema['description'])}</p>"
    if "properties" not in schema:
        return
    required = set(schema.get("required", ()))
    yield "<table><tr><th>field</th><th></th><th>what it is</th></tr>"
    for name, field in schema["properties"].items():
        must = "required" if name in required else ""
        yield _row(f"<code>{escape(name)}</code>", must, f"{_type(field)} {escape(field.get('description', ''))}")
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#schema-{escape(name)}'>{escape(name)}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    limits = {
        "minimum": "at least",
        "maximum": "at most",
        "minLength": "length from",
        "maxLength": "to",
        "pattern": "as",
    }
    said = [f"{word} {escape(str(schema[name]))}" for name, word in limits.items() if name in schema]
    kind = escape(str(schema.get("format") or schema.get("type") or "anything"))
    return f"{kind} ({', '.join(said)})" if said else kind


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _words(tag: str) -> str:
    return tag.replace("_", " ")
