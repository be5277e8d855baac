-- Every datastream with its sensor's place: what the hub says of a value beside the value. lon, lat in degrees.
select d.id, s.id, s.fid, st_x(s.geom), st_y(s.geom), s.district, d.phenomenon, d.unit, s.origin, d.tenant,
       case when s.classification = 'public' then d.classification else s.classification end
  from iot.datastream d join iot.sensors s on s.tenant = d.tenant and s.id = d.sensor
