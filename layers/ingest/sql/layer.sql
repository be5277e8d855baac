-- Nothing: what the catalogue says of a layer, counted afresh.
insert into twin.layer as l (name, generation, count, extent, loaded_at, origins)
select %(layer)s, 1, count(*), st_extent(geom)::box2d, now(), coalesce(array_agg(distinct origin), '{{}}') from {layer}
on conflict (name) do update
   set generation = l.generation + %(changed)s, count = excluded.count, extent = excluded.extent,
       loaded_at = excluded.loaded_at, origins = excluded.origins
