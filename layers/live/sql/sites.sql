-- Per district: its name, four points within it, and the middle of its longest stretch of water (null where none is known). Degrees.
select d.name, p.lons, p.lats, st_x(w.geom), st_y(w.geom)
  from land.districts d
 cross join lateral (
    select array_agg(st_x(one.geom)) as lons, array_agg(st_y(one.geom)) as lats
      from st_dump(st_generatepoints(d.geom, 4, %(seed)s)) as one) p
  left join lateral (
    select st_lineinterpolatepoint(part.geom, 0.5) as geom
      from infrastructure.waterways way, st_dump(st_intersection(way.geom, d.geom)) as part
     where way.geom && d.geom and st_intersects(way.geom, d.geom) and st_geometrytype(part.geom) = 'ST_LineString'
     order by st_length(part.geom) desc limit 1) w on true
 order by d.name
