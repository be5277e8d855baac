-- Values of some datastreams in the batches after a number, oldest first: batch, datastream, time, result, when stored, lon, lat.
select o.seq, v.datastream, v.phenomenon_time, v.result, o.at, v.lon, v.lat
  from (select * from iot.outbox where tenant = twin.tenant() and seq > %(seq)s and seq <= %(until)s) o,
       unnest(o.datastream, o.phenomenon_time, o.result, o.quality, o.lon, o.lat)
           as v (datastream, phenomenon_time, result, quality, lon, lat)
 where v.datastream = any(%(datastreams)s) and v.quality <> 'bad' and v.result is not null
 order by o.seq
