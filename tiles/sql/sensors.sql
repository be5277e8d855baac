-- Every sensor where it is now with the newest value of what it measures, as rows of the exact companion in their order.
(select c.tenant, c.classification, c.fid, c.id, c.origin, c.valid_from, c.valid_to, c._rank, 1 as _count, null::bigint as _cell, 'infinity'::real as _clearance, c.station,
        coalesce(v.phenomenon, c.phenomenon) as phenomenon, coalesce(v.unit, c.unit) as unit, v.result as value, v.phenomenon_time,
        v.quality, c.district,
        case when v.lon is null then c.geom else st_transform(st_setsrid(st_makepoint(v.lon, v.lat), 4326), 3857) end as geom,
        c.ctid as _place
   from {exact} c
   left join lateral (
     select d.phenomenon, d.unit, l.result, l.phenomenon_time, l.quality, l.lon, l.lat
       from iot.datastream d join iot.latest l on l.datastream = d.id
      where d.tenant = c.tenant and d.sensor = c.id
      order by (d.phenomenon = c.phenomenon) desc, l.phenomenon_time desc limit 1) v on true)
