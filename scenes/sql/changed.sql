-- returns the fids of the layer's buildings that touch a box and are not in scenes.building as they are now, solids included
select distinct l.fid
  from unnest(%(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[]) as b(west, south, east, north)
  join {layer} l on l.geom && st_makeenvelope(b.west, b.south, b.east, b.north, 4326)
  left join scenes.building s on s.fid = l.fid
  left join companion.solid m on m.layer = 'infrastructure.buildings' and m.tenant = l.tenant and m.id = l.id
       and m.footprint = md5(st_asbinary(l.geom, 'NDR'))::uuid and m.height_m is not distinct from l.height_m
 where l.tenant = nullif(current_setting('twin.tenant', true), '')::int and (l.valid_to is null or l.valid_to > now())
   and (s.fid is null or s.digest is null
        or s.digest is distinct from case when m.mesh is null then l.digest else md5(l.digest::text || md5(m.mesh))::uuid end)
