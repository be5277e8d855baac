-- Per datastream of a stretch of batches the newest observation that came before it: datastream, phenomenon time, sequence.
with stretch as materialized (
    select v.* from iot.outbox o cross join unnest(o.datastream, o.phenomenon_time, o.sequence) as v (datastream, phenomenon_time, sequence)
     where o.tenant = twin.tenant() and o.seq > %(since)s
)
select d.id, b.phenomenon_time, b.sequence
  from iot.datastream d
 cross join lateral (
    select o.phenomenon_time, o.sequence from iot.observation o
     where o.datastream = d.id and o.sector = d.sector
       and not exists (select from stretch s where (s.datastream, s.phenomenon_time, s.sequence) = (o.datastream, o.phenomenon_time, o.sequence))
     order by o.phenomenon_time desc, o.sequence desc limit 1) b
 where d.id in (select datastream from stretch)
