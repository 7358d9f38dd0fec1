"""What a secret's value looks like in the bytes of files: for who must not keep a file that holds one. Pure.

The runner masks what a run says by forms of its own (it knows nothing of Mooring); this is for what the control plane
takes from a run after its end. Like that, hygiene and no boundary.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_from_bytes

from mooring.base.hidden import Hidden
from mooring.secrets.entities import SHORTEST_MASKED

# The beginning of a long value tells it; of a value of many lines, the longest ones do.
_LONGEST = 63
_MOST_LINES = 8


def patterns(value: Hidden) -> list[bytes]:
    """Byte strings of which a file that holds the value has one: plain, base64, URL-encoded, escaped for JSON, shells,
    programs and markup.

    Shape: none for a value under four bytes; else few, of at most 500 bytes each.
    """
    content = value.reveal()
    lines = sorted({line.strip() for line in content.splitlines()}, key=len, reverse=True)[:_MOST_LINES]
    found: dict[bytes, None] = {}
    for part in (content, content.strip(), *lines):
        if len(part) >= SHORTEST_MASKED:
            found.update(dict.fromkeys(_forms(part[:_LONGEST], whole=len(part) <= _LONGEST)))
    return [form for form in found if len(form) >= SHORTEST_MASKED]


def _forms(part: bytes, *, whole: bool) -> Iterator[bytes]:
    yield part
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + part).rstrip(b"=")
        # The characters at both ends hold bits of what stands beside.
        body = coded[(0, 2, 3)[shift] : len(coded) - ((shift + len(part)) % 3 != 0)]
        yield body
        yield body.replace(b"+", b"-").replace(b"/", b"_")
    if whole:
        yield base64.b64encode(part)
    yield quote_from_bytes(part, safe="").encode()
    yield quote_from_bytes(part).encode()
    # A character that the cut went through is no part of the text.
    text = part.decode("utf-8", "ignore")
    yield from (form.encode() for form in _escaped(text))
    yield repr(part)[2:-1].encode()


def _escaped(text: str) -> Iterator[str]:
    yield quote(text, safe="").replace("%20", "+")
    # What encodeURIComponent and encodeURI of JavaScript leave.
    yield from (quote(text, safe=safe) for safe in ("!'()*", "!'()*;,/?:@&=+$#"))
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    # As C and git show it.
    yield "".join(chr(byte) if byte < 0x80 else f"\\{byte:03o}" for byte in escaped.encode())  # noqa: PLR2004 - ASCII
    # Shells, YAML and SQL between single quotes, shells between double quotes, Python, markup.
    yield from (text.replace("'", instead) for instead in ("'\\''", "'\"'\"'", "''"))
    yield re.sub(r'(["$`\\])', r"\\\1", text)
    yield repr(text)[1:-1]
    yield from (html.escape(text, quote=quotes) for quotes in (True, False))
    yield html.escape(text).replace("&#x27;", "&#39;")
