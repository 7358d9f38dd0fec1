"""Files to pack: what lies in this interpreter's own library, so many of them, so large together."""

import os
import shutil
import sysconfig
from pathlib import Path

FILES, BYTES = 5_000, 91_000_000
# Sizes that come to about 18 kB a file, as source trees with some data in them have.
_SMALLEST, _LARGEST = 3_000, 300_000


def corpus(root: Path) -> tuple[int, int]:
    """About 91 MB in about 5,000 files below `root`: sources, compiled code, data. How many, how large."""
    found = sorted(_found(Path(sysconfig.get_path("purelib"))) + _found(Path(sysconfig.get_path("stdlib"))))
    # Every so-manieth by size, so that small and large come as they are.
    chosen = [found[int(at * len(found) / FILES)] for at in range(min(FILES, len(found)))]
    while sum(size for size, _, _ in chosen) > BYTES:
        chosen.pop()
    for _, path, top in chosen:
        where = root / top.name / path.relative_to(top)
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, where)
        where.chmod(0o644)
    return len(chosen), sum(size for size, _, _ in chosen)


def _found(top: Path) -> list[tuple[int, Path, Path]]:
    """The files of a library that are neither tiny nor large, with their sizes."""
    paths = (Path(here) / name for here, _, names in os.walk(top) for name in names)
    sized = ((path.lstat().st_size, path, top) for path in paths if not path.is_symlink())
    packages = top / "site-packages"
    return [one for one in sized if _SMALLEST <= one[0] <= _LARGEST and not one[1].is_relative_to(packages)]
