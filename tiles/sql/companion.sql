-- A companion table: features or aggregates of one layer for one zoom band, EPSG:3857. _cell is the home cell in a generalised band.
-- _clearance: metres by which every vertex may move before the geometry is no longer valid; null where nobody looked.
create table {target} (
    tenant int not null,
    classification text not null,
    fid int,
    id text,
    origin text not null,
    valid_from timestamptz,
    valid_to timestamptz,
    _rank real not null,
    _count int not null,
    _cell bigint,
    _clearance real,
    {fields}
    geom geometry(Geometry, 3857) not null
)
