-- Takes what is staged, stored and new into the latest values and, as the next batch, into the outbox: the batch's number.
with newest as (
    insert into iot.latest as held (datastream, tenant, classification, phenomenon_time, sequence, result, result_text, quality,
                                    received_at, lon, lat)
    select distinct on (datastream) datastream, tenant, classification, phenomenon_time, sequence, result, result_text, quality,
           received_at, lon, lat
      from pg_temp.live_staged order by datastream, phenomenon_time desc, sequence desc
    on conflict (datastream) do update
       set phenomenon_time = excluded.phenomenon_time, sequence = excluded.sequence, result = excluded.result,
           result_text = excluded.result_text, quality = excluded.quality, received_at = excluded.received_at,
           lon = excluded.lon, lat = excluded.lat
     where (excluded.phenomenon_time, excluded.sequence) > (held.phenomenon_time, held.sequence)
), numbered as (
    update iot.stream set seq = seq + 1 where tenant = twin.tenant() returning tenant, seq
), noted as (
    insert into iot.outbox (tenant, seq, datastream, phenomenon_time, sequence, result, result_text, quality, lon, lat)
    select n.tenant, n.seq, s.datastream, s.phenomenon_time, s.sequence, s.result, s.result_text, s.quality, s.lon, s.lat
      from numbered n,
           (select array_agg(datastream) as datastream, array_agg(phenomenon_time) as phenomenon_time, array_agg(sequence) as sequence,
                   array_agg(result) as result, array_agg(result_text) as result_text, array_agg(quality) as quality,
                   array_agg(lon) as lon, array_agg(lat) as lat from pg_temp.live_staged) s
)
select seq, pg_notify('twin_observation', seq::text) from numbered
