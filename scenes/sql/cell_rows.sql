-- returns the buildings that meet a condition (those of one cell), as packed.sql wants them, in the order in which they lie
select fid, tenant, id, shape, coalesce(solid, '') as solid, roof, storeys, use, origin,
       coalesce(height_m, 'NaN') as height_m, coalesce(height_se_m, 'NaN') as height_se_m,
       coalesce(roof_height_m, 'NaN') as roof_height_m, coalesce(ground_m, 'NaN') as ground_m,
       coalesce(ground_max_m, 'NaN') as ground_max_m,
       (coalesce(array_position(array['public', 'restricted', 'personal'], classification), 3) - 1)::int2 as classification
  from scenes.building
 where {condition}
 order by place, fid
