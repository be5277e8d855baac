-- returns the layer's buildings that meet a condition, by fid, with the codes of scenes/footprints.py
select fid, tenant, id, coalesce(st_asbinary(case when st_numgeometries(geom) = 1 then st_geometryn(geom, 1) else geom end, 'NDR'), '') as shape,
       (coalesce(array_position(%(roofs)s::text[], roof_shape), 1) - 1)::int2 as roof,
       greatest(least(coalesce(storeys, 0), 255), 0)::int2 as storeys,
       (coalesce(array_position(%(uses)s::text[], use), 1) - 1)::int2 as use,
       (coalesce(array_position(%(origins)s::text[], origin), 1) - 1)::int2 as origin,
       coalesce(height_m, 'NaN')::real as height_m, coalesce(height_se_m, 'NaN')::real as height_se_m,
       coalesce(roof_height_m, 'NaN')::real as roof_height_m, coalesce(ground_m, 'NaN')::real as ground_m,
       coalesce(ground_max_m, 'NaN')::real as ground_max_m,
       (coalesce(array_position(array['public', 'restricted', 'personal'], classification), 3) - 1)::int2 as classification,
       classification as class, digest
  from {layer} as l
 where tenant = nullif(current_setting('twin.tenant', true), '')::int and (valid_to is null or valid_to > now())
   and ({condition})
 order by fid
 {limit}
