-- One row: how many rows of a layer the actor may read, their origins, their extent.
select count(*) as count, coalesce(array_agg(distinct origin), '{{}}') as origins,
       st_xmin(st_extent(geom)) as west, st_ymin(st_extent(geom)) as south,
       st_xmax(st_extent(geom)) as east, st_ymax(st_extent(geom)) as north
  from {table}
