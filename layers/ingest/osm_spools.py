"""The parts of an OpenStreetMap file, handed on while another process is still reading the file."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import msgspec
import numpy as np
import pyarrow as pa
import shapely

from layers.ingest.osm import PARTS
from twin.errors import SourceError

_PATIENCE_S = 10


class _Line(msgspec.Struct):
    """What the reading process says on one line: a file of a part, why it gave up, or that it is through."""

    part: str = ""
    path: str = ""
    rows: int = 0
    failure: str = ""
    remedy: str = ""
    end: bool = False


class Extraction:
    """One reading of a PBF in a process of its own. Close it: that ends the process and removes its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = tempfile.TemporaryDirectory(prefix="twin-osm-")
        self._files: dict[str, list[Path]] = defaultdict(list)
        self._rows: dict[str, int] = dict.fromkeys(PARTS, 0)
        self._ended = False
        self._failure: SourceError | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "layers.ingest.osm", str(path.resolve()), self._folder.name], stdout=subprocess.PIPE
        )

    def batches(self, part: str) -> Iterator[gpd.GeoDataFrame]:
        """The rows of one part, lon and lat degrees, as they come; from the beginning at each call.

        Raises SourceError, at once or after some batches, for a file that cannot be read to its end.
        """
        done = 0
        while done < len(self._files[part]) or self._hear():
            if done < len(self._files[part]):
                yield _read(self._files[part][done])
                done += 1

    def rows(self, part: str) -> int | None:
        """How many rows a part has; None while the file is still being read."""
        return self._rows[part] if self._ended else None

    def close(self) -> None:
        """End the process, remove the files; safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def _hear(self) -> bool:
        """Wait for the next thing the process says; False once it is through."""
        if self._failure is not None:
            raise self._failure
        if self._ended or self._process.stdout is None:
            return False
        heard = self._process.stdout.readline()
        line = msgspec.json.decode(heard, type=_Line) if heard else self._cut_short()
        if line.failure:
            self._failure = SourceError(line.failure, remedy=line.remedy)
            raise self._failure
        self._ended = line.end
        if line.part:
            self._files[line.part].append(Path(line.path))
            self._rows[line.part] += line.rows
        return not line.end

    def _cut_short(self) -> _Line:
        status = self._process.wait()
        return _Line(
            failure=f"the reading of {self.path.name} was cut short (status {status})",
            remedy="see whether memory or the disk of temporary files is full, then load it again",
        )


def _read(path: Path) -> gpd.GeoDataFrame:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        frame = file.read_all().to_pandas()
    shapes = shapely.from_wkb(frame.pop("geometry").to_numpy(dtype=object, na_value=None))
    return gpd.GeoDataFrame(frame, geometry=np.asarray(shapes, dtype=object))
