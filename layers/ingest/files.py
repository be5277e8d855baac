"""Which files a source is read from, and the hash that says whether they have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from layers.spec import RasterSource, Reading, Source
from twin.errors import SourceError

_CHUNK = 1 << 20


def find(folder: Path, pattern: str) -> Path | None:
    """The first match of a glob under the data folder, by name; None where there is none."""
    return min(folder.glob(pattern), default=None) if pattern else folder


def inputs_of(source: Source | RasterSource, folder: Path) -> tuple[Path, tuple[Path, ...]] | None:
    """The file of a source and the further ones its reader opens; None where one of them is not there."""
    path, *further = [find(folder, pattern) for pattern in _patterns(source)]
    if path is None or None in further:
        return None
    return path, tuple(one for one in further if one is not None)


def missing_of(source: Source | RasterSource, folder: Path) -> list[str]:
    """The names of a source's files that are not in the folder, as its sector writes them."""
    return [pattern for pattern in _patterns(source) if find(folder, pattern) is None]


def _patterns(source: Source | RasterSource) -> tuple[str, ...]:
    return (source.path, *getattr(source, "inputs", ()))


def _files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _sha256(path: Path) -> str:
    taken = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            taken.update(chunk)
    return taken.hexdigest()


def fingerprint(paths: Sequence[Path], *, reading: Reading | None = None, maker: str = "") -> str:
    """The sha256 of one file; of several, the sha256 over their hashes; with scope, seed and `maker` where a generator reads them.

    Raises SourceError where a file is not there or may not be read.
    """
    try:
        hashes = [_sha256(file) for path in paths for file in _files(path)]
    except OSError as failure:
        why = failure.strerror or type(failure).__name__
        raise SourceError(
            f"{failure.filename} cannot be read: {why}", remedy="check the path and the right to read it"
        ) from failure
    if len(hashes) == 1 and reading is None:
        return hashes[0]
    told = f"{reading.scope}/{reading.seed}/{maker}" if reading is not None else ""
    return hashlib.sha256("\n".join([*hashes, told]).encode()).hexdigest()


def code_of(packages: Sequence[str]) -> str:
    """The sha256 over the modules of packages: what a generator makes may change when they do. Empty for none.

    Raises SourceError for one that is not there.
    """
    modules: list[Path] = []
    for name in packages:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise SourceError(f"there is no package {name}", remedy="correct `makers` of the source in its sector")
        modules += [module for place in spec.submodule_search_locations for module in sorted(Path(place).glob("*.py"))]
    return fingerprint(modules) if modules else ""


def changed_at(path: Path) -> datetime:
    """When the newest of its files was written: when it was retrieved, as far as the file can say."""
    return datetime.fromtimestamp(max((file.stat().st_mtime for file in _files(path)), default=0.0), UTC)
