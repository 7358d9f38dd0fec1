"""Makes the zipapp. Not part of it."""

import zipfile
from pathlib import Path

_MAIN = "from runner.main import main\n\nraise SystemExit(main())\n"
_LEFT_OUT = {"build.py", "words.py"}
# Zip knows no earlier time; the same sources give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build(target: Path) -> None:
    """Write the runner to `target`, a file for `python3 -I -S`. The same sources give the same bytes."""
    sources = sorted(path for path in Path(__file__).parent.glob("*.py") if path.name not in _LEFT_OUT)
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in [("__main__.py", _MAIN.encode()), *((f"runner/{p.name}", p.read_bytes()) for p in sources)]:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, compress_type=zipfile.ZIP_STORED)
