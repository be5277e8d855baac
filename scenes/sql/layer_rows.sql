-- returns the layer's buildings that meet a condition, by fid, with the codes of scenes/footprints.py; the solid that a file
-- brought for as long as the footprint and the height are those that it came with
select l.fid, l.tenant, l.id, coalesce(st_asbinary(case when st_numgeometries(l.geom) = 1 then st_geometryn(l.geom, 1) else l.geom end, 'NDR'), '') as shape,
       (coalesce(array_position(%(roofs)s::text[], l.roof_shape), 1) - 1)::int2 as roof,
       greatest(least(coalesce(l.storeys, 0), 255), 0)::int2 as storeys,
       (coalesce(array_position(%(uses)s::text[], l.use), 1) - 1)::int2 as use,
       (coalesce(array_position(%(origins)s::text[], l.origin), 1) - 1)::int2 as origin,
       coalesce(l.height_m, 'NaN')::real as height_m, coalesce(l.height_se_m, 'NaN')::real as height_se_m,
       coalesce(l.roof_height_m, 'NaN')::real as roof_height_m, coalesce(l.ground_m, 'NaN')::real as ground_m,
       coalesce(l.ground_max_m, 'NaN')::real as ground_max_m,
       (coalesce(array_position(array['public', 'restricted', 'personal'], l.classification), 3) - 1)::int2 as classification,
       l.classification as class, coalesce(s.mesh, '') as solid,
       case when s.mesh is null then l.digest else md5(l.digest::text || md5(s.mesh))::uuid end as digest
  from {layer} as l
  left join companion.solid s on s.layer = 'infrastructure.buildings' and s.tenant = l.tenant and s.id = l.id
       and s.footprint = md5(st_asbinary(l.geom, 'NDR'))::uuid and s.height_m is not distinct from l.height_m
 where l.tenant = nullif(current_setting('twin.tenant', true), '')::int and (l.valid_to is null or l.valid_to > now())
   and ({condition})
 order by l.fid
 {limit}
