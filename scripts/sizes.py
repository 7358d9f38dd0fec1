"""Refuse files and functions that outgrew the house, and ends left open."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES, FUNCTION_LINES, DEPTH = 600, 60, 3
USUAL_FILE, USUAL_FUNCTION, USUAL_SHARE = 400, 40, 0.95
OPEN_END = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
VAGUE = {"utils", "helpers", "common", "manager", "misc"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def complaints(path: Path, text: str) -> Iterator[str]:
    """What is wrong with one file."""
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines (at most {FILE_LINES})"
    if path.stem in VAGUE:
        yield f"{path}: '{path.stem}' does not say what belongs there"
    if path.parts[0] == "src" and len(path.parts) > DEPTH + 3:
        yield f"{path}: deeper than {DEPTH} packages"
    for node in functions(ast.parse(text)):
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        if size > FUNCTION_LINES:
            yield f"{path}:{node.lineno} {node.name}: {size} lines (at most {FUNCTION_LINES})"
    if path.parts[0] == "src":
        for number, line in enumerate(text.splitlines(), 1):
            if OPEN_END.search(line):
                yield f"{path}:{number} left open: {line.strip()}"


def share_within(sizes: list[int], usual: int) -> float:
    """The share of sizes that stay within the usual one."""
    return sum(size <= usual for size in sizes) / max(1, len(sizes))


def main() -> int:
    """Print every complaint; 1 when there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    texts = {
        Path(name): Path(name).read_text(encoding="utf-8") for name in listed.stdout.split() if Path(name).exists()
    }
    found = [complaint for path, text in texts.items() for complaint in complaints(path, text)]
    files = [text.count("\n") for text in texts.values()]
    bodies = [(n.end_lineno or 0) - n.lineno + 1 for text in texts.values() for n in functions(ast.parse(text))]
    for what, sizes, usual in (("files", files, USUAL_FILE), ("functions", bodies, USUAL_FUNCTION)):
        share = share_within(sizes, usual)
        if share < USUAL_SHARE:
            found.append(f"only {share:.1%} of {what} within {usual} lines (at least {USUAL_SHARE:.0%})")
    print("\n".join(found) if found else f"sizes: {len(files)} files, {len(bodies)} functions, all within bounds")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
