-- What TileJSON tells of some layers: west, south, east, north in degrees (null: nothing loaded), attributions, generations.
-- Layers named `closed` hold rows that the asker may not read: their stored extent is not told.
select st_xmin(box), st_ymin(box), st_xmax(box), st_ymax(box),
       (select array_agg(distinct attribution order by attribution) from twin.source where layer = any (%(layers)s)),
       generations
  from (select st_extent(extent::geometry) filter (where name <> all (%(closed)s)) as box, jsonb_object_agg(name, generation) as generations
          from twin.layer where name = any (%(layers)s)) known
