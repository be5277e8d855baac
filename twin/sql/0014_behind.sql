-- Cells of generalised companions that a change has touched and nobody has redone yet: the exact companion is mended first, these follow.
create table companion.behind (
    id bigint generated always as identity primary key,
    layer text not null,
    cells jsonb not null, -- the first zoom of each band: the numbers of its cells
    places jsonb not null, -- of each change: features, west, south, east, north in degrees
    at timestamptz not null default now()
);
