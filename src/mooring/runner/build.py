"""Makes the zipapp. Not part of it."""

import subprocess
import tempfile
import zipfile
from pathlib import Path

_MAIN = "from runner.main import main\n\nraise SystemExit(main())\n"
_LEFT_OUT = {"build.py", "words.py"}
# Zip knows no earlier time; the same sources give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_COMPILE = ("-I", "-S", "-m", "compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash", "-d", "mooring", ".")


def build(target: Path, python: Path = Path("/usr/bin/python3")) -> None:
    """Write the runner to `target`, a file for `python3 -I -S`. The same sources and the same `python` give the same
    bytes. What `python` compiled lies beside the sources: it saves most of a start, and any other Python passes it over
    and takes the sources, so where there is none at that place, or one that cannot compile, only time is lost."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "runner").mkdir()
        (place / "__main__.py").write_text(_MAIN)
        for path in Path(__file__).parent.glob("*.py"):
            if path.name not in _LEFT_OUT:
                (place / "runner" / path.name).write_bytes(path.read_bytes())
        if python.exists():
            subprocess.run([str(python), *_COMPILE], cwd=place, check=False, capture_output=True)
        with zipfile.ZipFile(target, "w") as archive:
            for path in sorted(place.rglob("*.py*")):
                name = str(path.relative_to(place))
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes(), compress_type=zipfile.ZIP_STORED)
