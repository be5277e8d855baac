-- Which of many envelopes (EPSG:3857, numbered from 1) some row of a companion comes near. The envelopes are made apart: under
-- row-level security the index serves a plain column only, for making one is not leakproof.
with box as materialized (
    select number, st_makeenvelope(west, south, east, north, 3857) as place
      from unnest(%(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[]) with ordinality
           as t(west, south, east, north, number)
)
select box.number::int from box where exists (select from {companion} c where c.geom && box.place)
