-- returns the fids of the layer's buildings that touch a box and are not in scenes.building as they are now, solids included.
-- The boxes are made apart: st_makeenvelope is not leakproof, and beside && it would keep row-level security off the index.
-- Digests are looked up row by row, which PostgreSQL cannot turn into a join over the whole of scenes.building.
with box as materialized (
    select st_makeenvelope(b.west, b.south, b.east, b.north, 4326) as geom
      from unnest(%(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[]) as b(west, south, east, north)),
near as materialized (
    select distinct on (l.fid) l.fid, l.tenant, l.id, l.digest, l.height_m, l.geom
      from box join {layer} l on l.geom && box.geom
     where l.tenant = nullif(current_setting('twin.tenant', true), '')::int and (l.valid_to is null or l.valid_to > now()))
select fid
  from near l
 where coalesce((select s.digest is null or s.digest <> coalesce(
                            (select md5(l.digest::text || md5(m.mesh))::uuid from companion.solid m
                              where m.layer = 'infrastructure.buildings' and m.tenant = l.tenant and m.id = l.id
                                and m.footprint = md5(st_asbinary(l.geom, 'NDR'))::uuid
                                and m.height_m is not distinct from l.height_m), l.digest)
                   from scenes.building s where s.fid = l.fid), true)
