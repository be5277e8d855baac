-- Which of many envelopes (EPSG:3857, numbered from 1) some row of a companion comes near.
select t.number::int
  from unnest(%(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[]) with ordinality
       as t(west, south, east, north, number)
 where exists (select from {companion} c where c.geom && st_makeenvelope(t.west, t.south, t.east, t.north, 3857))
