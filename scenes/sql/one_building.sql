-- returns fid, all fields and the source of the building with an id, and the level of detail of its solid, of what the session may
-- read: its own tenant's first
select l.fid, to_jsonb(l) - 'geom' as fields, s.lod, c.name as source, c.licence, c.attribution
  from twin.tenant t
  join {layer} l on l.tenant = t.id and l.id = %(id)s
  left join companion.solid s on s.layer = 'infrastructure.buildings' and s.tenant = l.tenant and s.id = l.id
       and s.footprint = md5(st_asbinary(l.geom, 'NDR'))::uuid and s.height_m is not distinct from l.height_m
  left join twin.source c on c.id = l.source
 where (l.valid_to is null or l.valid_to > now()) and twin.may_read(l.classification, l.tenant)
 order by l.tenant = nullif(current_setting('twin.tenant', true), '')::int desc nulls last
 limit 1
