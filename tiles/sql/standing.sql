-- Where the base has features of these numbers now: fid, west, south, east, north in EPSG:3857.
select fid, st_xmin(geom), st_ymin(geom), st_xmax(geom), st_ymax(geom) from {companion} where fid = any (%(fids)s::int[])
