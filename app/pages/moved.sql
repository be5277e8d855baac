-- Where moving sensors were at the end of each bucket of a width: datastream, seconds since 1970 at the bucket's start, degrees.
select distinct on (o.datastream, date_bin(%(width)s, o.phenomenon_time, 'epoch'))
       o.datastream, extract(epoch from date_bin(%(width)s, o.phenomenon_time, 'epoch'))::bigint, o.lon, o.lat
  from iot.observation o
 where o.datastream = any(%(streams)s) and o.phenomenon_time >= %(since)s and o.phenomenon_time < %(until)s and o.lon is not null
 order by o.datastream, date_bin(%(width)s, o.phenomenon_time, 'epoch'), o.phenomenon_time desc
