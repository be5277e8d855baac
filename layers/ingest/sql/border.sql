-- Nothing: the polygons that bound the country, in pieces small enough to be asked quickly.
create unlogged table {border} as select st_subdivide(geom, 128) as geom from {bounds} where geom is not null
