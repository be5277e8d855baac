"""The country through one actor's eyes, as the base or as a branch, for the length of one evaluation: sums by village.

Sums of the base are kept; a branch computes anew only the villages that its edits touch, or in which a grid differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.indicators.atoms import Batch, read_base
from layers.indicators.changed import (
    Difference,
    Edits,
    changed_since,
    difference,
    edits_of,
    layer_state,
    left,
    numbered,
)
from layers.indicators.grids import GridKeeper, Sampler, villages_between
from layers.indicators.persons import NAME as PERSONS_SUM
from layers.indicators.persons import Persons
from layers.indicators.places import Ints, Place, Villages
from layers.indicators.spec import LAND, Atoms, Floats
from layers.indicators.store import Chunk, Key, Store, access_of
from layers.indicators.sums import WIDTH, Part, add_up

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.db import Session

_DISTRICT = 10**6
_READ_MOST = 4


@dataclass(eq=False)
class View:
    """One evaluation's reads, each made once. `scenario` None is the base. `fresh` computes everything anew and keeps nothing."""

    session: Session
    registry: Registry
    villages: Villages
    grids: GridKeeper
    store: Store
    scenario: int | None = None
    fresh: bool = False
    lasting: frozenset[str] = frozenset()
    """Indicators asked for with their usual parameters: their sums of the base go into the table."""
    minimum: int = 0
    """Fewest real persons that may be told."""
    seq: int = 0
    _persons: dict[str, Persons] = field(default_factory=dict)
    _read_last: dict[tuple[object, ...], Batch] = field(default_factory=dict)
    _edits: dict[str, Edits] = field(default_factory=dict)
    _differences: dict[tuple[str, tuple[str, ...]], Difference] = field(default_factory=dict)
    _samplers: dict[tuple[str, str, bool], Sampler] = field(default_factory=dict)
    _changed: dict[tuple[str, int], NDArray[np.bool_]] = field(default_factory=dict)
    _moved: dict[str, Ints] = field(default_factory=dict)
    _made: dict[Key, tuple[str, Chunk]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seq = numbered(self.session)

    def sums(self, parts: Sequence[Part], rows: Ints, *, branch: bool = True) -> list[Floats]:
        """(k, WIDTH) of each part for villages `rows` (k,), ascending; as the branch sees them unless told otherwise."""
        found: dict[int, Floats] = {}
        for layer in dict.fromkeys(part.layer for part in parts):
            mine = [number for number, part in enumerate(parts) if part.layer == layer]
            group = [parts[number] for number in mine]
            if layer == LAND:
                made = [self._land(part, rows, self.villages.land_m2[rows]) for part in group]
            else:
                made = self._base(group, rows)
                if branch and self.scenario is not None:
                    made = self._branch(group, rows, made)
            found |= dict(zip(mine, made, strict=True))
        return [found[number] for number in range(len(parts))]

    def inside(
        self, parts: Sequence[Part], rows: Ints, polygon: shapely.Geometry, *, branch: bool = True
    ) -> list[Floats]:
        """As `sums`, of the atoms that lie in a prepared polygon."""
        found = []
        for part, batch in zip(parts, self.batches(parts, rows, branch=branch), strict=True):
            if batch is None:
                cut = shapely.intersection(polygon, self.villages.shapes[rows])
                found.append(self._land(part, rows, self.villages.land_of(cut)))
                continue
            held = batch.keep(shapely.intersects_xy(polygon, batch.atoms.lon, batch.atoms.lat))
            found.append(add_up(part, held, np.searchsorted(rows, held.row), len(rows)))
        return found

    def batches(self, parts: Sequence[Part], rows: Ints, *, branch: bool = True) -> list[Batch | None]:
        """The atoms of each part in villages `rows`, with fields and grids; None for land."""
        found: list[Batch | None] = []
        for part in parts:
            if part.layer == LAND:
                found.append(None)
                continue
            fields = self._fields([one for one in parts if one.layer == part.layer])
            batch = self.read(part.layer, fields, rows, branch=branch, persons=part.persons)
            found.append(self._sampled(batch, part, branch=branch))
        return found

    def persons(self, layer: str) -> Persons:
        """The real persons of a layer."""
        if layer not in self._persons:
            self._persons[layer] = Persons(self, layer, self.minimum)
        return self._persons[layer]

    def widened(self, place: Place, parts: Sequence[Part]) -> Place:
        """A drawn place with the villages that share groups of persons with its own; whether these groups lie in it is seen one by one."""
        for layer in dict.fromkeys(part.layer for part in parts if part.persons):
            people = self.persons(layer)
            if people.shares(place.all):
                shared = np.array(
                    [row for row in people.with_mates(place.all).tolist() if people.shares(np.array([row]))]
                )
                whole = np.setdiff1d(place.whole, shared)
                place = replace(place, whole=whole, part=np.union1d(place.part, shared))
        return place

    def touched(self, part: Part) -> Ints:
        """Villages (indices) in which the branch may change a part."""
        if self.scenario is None or part.layer == LAND:
            return np.empty(0, np.int64)
        change = self._difference(part.layer, self._fields([part]))
        every = np.arange(len(self.villages), dtype=np.int64)
        near = [self._between(part, name, every) for name in part.grids]
        found: Ints = np.unique(np.concatenate([np.array(sorted(change.touched), np.int64), *near]))
        return self.persons(part.layer).with_mates(found) if part.persons else found

    def edited(self, part: Part, rows: Ints) -> tuple[Batch, Batch] | None:
        """The atoms that the branch takes from villages `rows` and brings there, with fields and grids, where these alone make a difference;
        None where a grid moves under the others too, or persons go by groups.
        """
        if any(len(self._between(part, name, rows)) for name in part.grids):
            return None
        fields = self._fields([part])
        if part.persons and self.edits_persons(part.layer, fields, rows):
            return None
        change = self._difference(part.layer, fields)
        gone, new = (one.keep(np.isin(one.row, rows)).in_order() for one in (change.gone, change.new))
        return self._sampled(gone, part, branch=False), self._sampled(new, part, branch=True)

    def keep(self) -> None:
        """Put the base's sums that were made into the table."""
        if self._made and not self.fresh:
            self.store.write(
                self.session,
                [(name, key, chunk) for key, (name, chunk) in self._made.items() if self._lasts(name)],
            )

    def _base(self, parts: Sequence[Part], rows: Ints) -> list[Floats]:
        found = [np.zeros((len(rows), WIDTH)) for _ in parts]
        district = self.villages.codes[rows] // _DISTRICT
        for one in np.unique(district).tolist():
            at = np.flatnonzero(district == one)
            for made, sums in zip(found, self._of_district(parts, one, rows[at]), strict=True):
                made[at] = sums
        return found

    def _of_district(self, parts: Sequence[Part], district: int, rows: Ints) -> list[Floats]:
        of_district = self.villages.begins(str(district))
        mine = rows - of_district[0]
        keys = [self._key(part, district, rows) for part in parts]
        chunks = [self._chunk(part, key, of_district) for part, key in zip(parts, keys, strict=True)]
        lacking = [~chunk.known[mine] for chunk in chunks]
        missing = np.logical_or.reduce(lacking)
        if missing.any():
            asked = [number for number, lacks in enumerate(lacking) if lacks.any()]
            layer = parts[0].layer
            fields = self._fields([parts[n] for n in asked])
            for number in asked:
                part = parts[number]
                batch = self.read(layer, fields, rows[missing], branch=False, persons=part.persons and bool(part.grids))
                group = np.searchsorted(rows[missing], batch.row)
                sums = add_up(part, self._sampled(batch, part, branch=False), group, int(missing.sum()))
                chunks[number] = chunks[number].with_(mine[missing], sums)
                if not self.fresh:
                    self.store.put(keys[number], chunks[number])
                self._made[keys[number]] = (part.indicator.name, chunks[number])
        return [chunk.sums[mine] for chunk in chunks]

    def _chunk(self, part: Part, key: Key, of_district: Ints) -> Chunk:
        """What is kept, less what changed since."""
        count = len(of_district)
        if key in self._made:
            return self._made[key][1]
        if self.fresh:
            return Chunk(np.zeros(count, bool), np.zeros((count, WIDTH)), self.seq)
        chunk = self.store.chunk(self.session, key, count, lasting=self._lasts(part.indicator.name))
        if not chunk.known.any():
            return replace(chunk, seq=self.seq)
        changed = self._since(part.layer, chunk.seq)[of_district]
        if changed.any() or chunk.seq != self.seq:
            chunk = Chunk(chunk.known & ~changed, chunk.sums, self.seq)
            self.store.put(key, chunk)
        return chunk

    def _since(self, layer: str, seq: int) -> NDArray[np.bool_]:
        if (layer, seq) not in self._changed:
            self._changed[layer, seq] = changed_since(self.session, layer, seq, self.villages)
        return self._changed[layer, seq]

    def _branch(self, parts: Sequence[Part], rows: Ints, base: list[Floats]) -> list[Floats]:
        """The base's sums with those of the touched villages computed anew, or taken from what is kept of this state."""
        layer, fields = parts[0].layer, self._fields(parts)
        change = self._difference(layer, fields)
        state = layer_state(self.session, layer)
        found = [sums.copy() for sums in base]
        lacking: list[dict[int, tuple[object, ...]]] = []
        for part, sums in zip(parts, found, strict=True):
            part_key = self._key(part, 0, rows)
            grids = ";".join(self._sampler(name, part, branch=True).digest for name in part.grids)
            near = [self._between(part, name, rows) for name in part.grids]
            wanted = {row: change.touched[row] for row in rows.tolist() if row in change.touched}
            for row in np.unique(np.concatenate([rows[:0], *near])).tolist():
                wanted.setdefault(row, "")
            if part.persons:
                wanted = self._wanted_of_persons(layer, change, rows, wanted)
            lacks: dict[int, tuple[object, ...]] = {}
            for row, digest in wanted.items():
                key: tuple[object, ...] = (part_key, row, digest, grids, state)
                kept = None if self.fresh else self.store.get(key)
                if kept is None:
                    lacks[row] = key
                else:
                    sums[np.searchsorted(rows, row)] = kept
            lacking.append(lacks)
        anew = np.array(sorted(set().union(*lacking)), np.int64)
        if len(anew):
            for part, sums, lacks in zip(parts, found, lacking, strict=True):
                if not lacks:
                    continue
                batch = self.read(layer, fields, anew, branch=True, persons=part.persons)
                group = np.searchsorted(anew, batch.row)
                made = add_up(part, self._sampled(batch, part, branch=True), group, len(anew))
                for row, key in lacks.items():
                    one = made[np.searchsorted(anew, row)]
                    sums[np.searchsorted(rows, row)] = one
                    self.store.put(key, one)
        return found

    def _wanted_of_persons(self, layer: str, change: Difference, rows: Ints, wanted: dict[int, str]) -> dict[int, str]:
        """Villages with what their figures of persons depend on: where real persons are edited, on what is done to all of a group."""
        people = self.persons(layer)
        spread = people.with_mates(np.array(sorted(wanted), np.int64)) if wanted else rows[:0]
        for row in np.intersect1d(spread, rows).tolist():
            wanted.setdefault(row, "")
        if change.gone.real.any():
            return dict.fromkeys(wanted, change.edits.digest)
        return wanted

    def _between(self, part: Part, name: str, rows: Ints) -> Ints:
        """Those of the villages in which a grid may differ between base and branch."""
        one, other = self._sampler(name, part, branch=False), self._sampler(name, part, branch=True)
        if other.digest not in self._moved:
            every = np.arange(len(self.villages), dtype=np.int64)
            self._moved[other.digest] = villages_between(one, other, self.villages, every)
        return np.intersect1d(rows, self._moved[other.digest])

    def read(self, layer: str, fields: tuple[str, ...], rows: Ints, *, branch: bool, persons: bool = False) -> Batch:
        """The atoms of a layer in villages `rows`. persons: as figures of persons see them, where there are real ones: in groups."""
        branch = branch and self.scenario is not None
        key = (layer, fields, rows.tobytes(), branch, persons)
        if key not in self._read_last:
            made = (
                self._as_persons(layer, fields, rows, branch=branch)
                if persons
                else self._plain(layer, fields, rows, branch=branch)
            )
            while len(self._read_last) >= _READ_MOST:
                self._read_last.pop(next(iter(self._read_last)))
            self._read_last[key] = made
        return self._read_last[key]

    def _plain(self, layer: str, fields: tuple[str, ...], rows: Ints, *, branch: bool) -> Batch:
        if branch:
            return left(self.read(layer, fields, rows, branch=False), rows, self._difference(layer, fields))
        return read_base(self.session, self.registry.vector(layer), fields, self.villages, rows)

    def _as_persons(self, layer: str, fields: tuple[str, ...], rows: Ints, *, branch: bool) -> Batch:
        people = self.persons(layer)
        if branch:
            if not self.edits_persons(layer, fields, rows):
                return self.read(layer, fields, rows, branch=True)
            return people.changed(fields, rows, self._difference(layer, fields)).batch
        if not (people.real(rows) > 0).any():
            return self.read(layer, fields, rows, branch=False)
        found = people.grouped(fields, rows).batch
        return found.keep(np.isin(found.row, rows))

    def edits_persons(self, layer: str, fields: tuple[str, ...], rows: Ints) -> bool:
        """Whether villages hold real persons, or the branch edits some that it may move there."""
        return bool(self._difference(layer, fields).gone.real.any() or (self.persons(layer).real(rows) > 0).any())

    def kept_back(self, part: Part, place: Place) -> tuple[int, int]:
        """(atoms with real persons whose edits do not count in a place, since their group does not go whole; atoms of groups that go)."""
        fields = self._fields([part])
        if self.scenario is None or not self._difference(part.layer, fields).gone.real.any():
            return 0, 0
        found = self.persons(part.layer).changed(fields, place.all, self._difference(part.layer, fields))
        counts = []
        for batch in (found.batch.keep(found.held), found.gone):
            inside = np.isin(batch.row, place.whole)
            if place.polygon is not None:
                inside = shapely.intersects_xy(place.polygon, batch.atoms.lon, batch.atoms.lat)
            counts.append(int(inside.sum()))
        return counts[0], counts[1]

    def _sampled(self, batch: Batch, part: Part, *, branch: bool) -> Batch:
        if not part.grids:
            return batch
        a = batch.atoms
        grids = {name: self._sampler(name, part, branch=branch).sample(a.lon, a.lat) for name in part.grids}
        return replace(batch, atoms=replace(a, grids=grids))

    def _fields(self, parts: Iterable[Part]) -> tuple[str, ...]:
        """What the parts of one layer read, and what counts its persons where they do."""
        found = {name for part in parts for name in part.fields}
        for part in parts:
            found |= set(self.persons(part.layer).fields) if part.persons else set()
        return tuple(sorted(found))

    def _sampler(self, name: str, part: Part, *, branch: bool) -> Sampler:
        branch = branch and self.scenario is not None
        provider = self.grids.provider(name)
        key = (name, repr([part.parameters[one.name] for one in provider.parameters]), branch)
        if key not in self._samplers:
            scenario = self.scenario if branch else None
            self._samplers[key] = self.grids.sampler(self.session, name, part.parameters, scenario)
        return self._samplers[key]

    def _difference(self, layer: str, fields: tuple[str, ...]) -> Difference:
        if self.scenario is None:
            raise ValueError("the base differs in nothing from itself")
        if layer not in self._edits:
            self._edits[layer] = edits_of(self.session, layer, self.scenario)
        for (of_layer, read_fields), kept in self._differences.items():
            if of_layer == layer and set(fields) <= set(read_fields):
                return Difference(kept.edits, _only(kept.gone, fields), _only(kept.new, fields), kept.touched)
        edits = self._edits[layer]
        key = (access_of(self.session.actor), layer, fields, edits.digest, layer_state(self.session, layer))
        stored = None if self.fresh else self.store.get(key)
        if isinstance(stored, Difference):
            made = stored
        else:
            found = self.registry.vector(layer)
            made = difference(self.session, found, fields, self.villages, self.scenario, edits)
            self.store.put(key, made)
        self._differences[layer, fields] = made
        return made

    def _lasts(self, name: str) -> bool:
        return name in self.lasting or name == PERSONS_SUM

    def _key(self, part: Part, district: int, rows: Ints) -> Key:
        one = part.indicator
        grids = [self._sampler(name, part, branch=False).digest for name in part.grids]
        words = (
            one.name, one.version, part.side, part.layer, part.fields, sorted(part.parameters.items()), grids, WIDTH,
            self.villages.digest, *self._groups_of(part, rows),
        )  # fmt: skip
        return access_of(self.session.actor), hashlib.sha256(repr(words).encode()).digest(), district

    def _groups_of(self, part: Part, rows: Ints) -> tuple[object, ...]:
        """What the groups depend on that sums of persons by grids rest on, beside the villages' own atoms."""
        if not part.persons or not part.grids:
            return ()
        people = self.persons(part.layer)
        hidden = people.hidden(rows)
        return (self.minimum, sorted(hidden), layer_state(self.session, part.layer) if hidden else ())

    def _land(self, part: Part, rows: Ints, land_m2: Floats) -> Floats:
        """Land is public and no layer of atoms: one atom per village."""
        codes = self.villages.codes[rows]
        middle = self.villages.boxes[rows]
        atoms = Atoms(
            LAND, codes.astype(str).astype(object), middle[:, [0, 2]].mean(axis=1), middle[:, [1, 3]].mean(axis=1), codes,
            np.full(len(rows), "", object), {"land_m2": land_m2},
        )  # fmt: skip
        batch = Batch(atoms, codes, rows, np.zeros(len(rows), bool))
        return add_up(part, batch, np.arange(len(rows)), len(rows))


def _only(batch: Batch, fields: tuple[str, ...]) -> Batch:
    columns: Mapping[str, NDArray[np.object_]] = {name: batch.atoms.fields[name] for name in fields}
    return replace(batch, atoms=replace(batch.atoms, fields=columns))
