"""How programs write a text that has characters of theirs in it, as they themselves do it."""

import html
import json
import shutil
import subprocess
from urllib.parse import quote


def written(value: str) -> list[str]:
    """The value as JSON for pages, JSON in JSON, JavaScript, Python, git, SQL, markup and shells write it."""
    for_pages = json.dumps(value, ensure_ascii=False).replace("&", "\\u0026").replace("<", "\\u003c")
    return [
        for_pages.replace(">", "\\u003e"),
        json.dumps(json.dumps(value)),
        json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False),
        quote(value, safe="!'()*"),
        quote(value, safe="!'()*;,/?:@&=+$#"),
        repr(value),
        repr(value.encode()),
        _as_c_shows(json.dumps(value, ensure_ascii=False).encode()),
        value.replace("'", "''"),
        html.escape(value),
        html.escape(value, quote=False),
        html.escape(value).replace("&#x27;", "&#39;"),
        *(line for shell in ("sh", "bash") if shutil.which(shell) for line in _said(shell, value)),
    ]


def _as_c_shows(value: bytes) -> str:
    return "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in value)


def _said(shell: str, value: str) -> list[str]:
    """What a shell shows of a command it runs, and of its variables."""
    command = [shell, "-xc", 'true "$KEY"; export -p']
    shown = subprocess.run(command, env={"KEY": value, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=True)
    return [shown.stderr.splitlines()[0], *(line for line in shown.stdout.splitlines() if "KEY=" in line)]
