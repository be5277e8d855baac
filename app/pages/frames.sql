-- Datastreams the actor may know of, with their sensor's place and the last value in each bucket of a width: one row each.
select s.id, s.fid, st_x(s.geom), st_y(s.geom), s.origin, d.phenomenon, d.unit, d.mobile, d.id,
       array_agg(extract(epoch from r.bucket)::bigint order by r.bucket), array_agg(r.last order by r.bucket)
  from iot.datastream d
  join iot.sensors s on s.id = d.sensor and s.tenant = d.tenant
  join iot.rollup r on r.datastream = d.id and r.width_s = %(width_s)s and r.bucket >= %(since)s and r.bucket < %(until)s
 group by s.id, s.fid, s.geom, s.origin, d.phenomenon, d.unit, d.mobile, d.id
 order by s.fid, d.phenomenon
 limit %(most)s
