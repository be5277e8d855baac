-- Behind area.sql. Datastreams of the phenomena within an area (by national codes, by a polygon in degrees; both null: everywhere), as rules judge
-- them: id, sensor, district, phenomenon, unit, classification, whether it moves, lon, lat. What moves is judged as it goes.
select d.id, d.sensor, s.district, d.phenomenon, d.unit,
       case when s.classification = 'public' then d.classification else s.classification end, d.mobile, st_x(s.geom), st_y(s.geom)
  from iot.datastream d join iot.sensors s on s.tenant = d.tenant and s.id = d.sensor
 where d.tenant = twin.tenant() and d.phenomenon = any(%(phenomena)s)
   and (%(everywhere)s or st_covers((select geom from area), s.geom) or (d.mobile and %(polygon)s::text is not null))
 order by d.id
