-- Nothing: a raster file as it now lies in the cache, and what the catalogue says of its layer.
with one as (
    insert into twin.raster as r (name, layer, path, west, south, east, north, metadata)
    values (%(name)s, %(layer)s, %(path)s, %(west)s, %(south)s, %(east)s, %(north)s, %(metadata)s)
    on conflict (name) do update
       set layer = excluded.layer, path = excluded.path, generation = r.generation + 1, west = excluded.west,
           south = excluded.south, east = excluded.east, north = excluded.north, metadata = excluded.metadata, loaded_at = now()
    returning name, west, south, east, north, metadata
), all_of_it as (
    select name, west, south, east, north, metadata from twin.raster where layer = %(layer)s and name <> %(name)s
    union all select * from one
)
insert into twin.layer as l (name, count, extent, loaded_at, origins)
select %(layer)s, count(*), st_extent(st_makeenvelope(west, south, east, north, 4326))::box2d, now(), array_agg(distinct metadata ->> 'origin')
  from all_of_it
on conflict (name) do update
   set generation = l.generation + 1, count = excluded.count, extent = excluded.extent, loaded_at = excluded.loaded_at,
       origins = excluded.origins
