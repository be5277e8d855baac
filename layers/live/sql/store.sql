-- One row: how many staged observations were new, and the number the batch got (null where none was).
with fresh as (
    insert into iot.observation (phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text,
                                 quality, classification, sector)
    select phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text, quality, classification, sector
      from pg_temp.live_staged
    on conflict (datastream, phenomenon_time, sequence, sector) do nothing
    returning phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text, quality, classification
), newest as (
    insert into iot.latest as held (datastream, tenant, classification, phenomenon_time, sequence, result, result_text, quality,
                                    received_at, lon, lat)
    select distinct on (datastream) datastream, tenant, classification, phenomenon_time, sequence, result, result_text, quality,
           received_at, lon, lat
      from fresh order by datastream, phenomenon_time desc, sequence desc
    on conflict (datastream) do update
       set phenomenon_time = excluded.phenomenon_time, sequence = excluded.sequence, result = excluded.result,
           result_text = excluded.result_text, quality = excluded.quality, received_at = excluded.received_at,
           lon = excluded.lon, lat = excluded.lat
     where (excluded.phenomenon_time, excluded.sequence) > (held.phenomenon_time, held.sequence)
), numbered as (
    update iot.stream set seq = seq + 1 where tenant = twin.tenant() and exists (select from fresh) returning tenant, seq
), noted as (
    insert into iot.outbox (tenant, seq, datastream, phenomenon_time, sequence, result, result_text, quality, lon, lat)
    select n.tenant, n.seq, array_agg(datastream), array_agg(phenomenon_time), array_agg(sequence), array_agg(result),
           array_agg(result_text), array_agg(quality), array_agg(lon), array_agg(lat)
      from fresh, numbered n group by n.tenant, n.seq
)
select (select count(*) from fresh), n.seq, pg_notify('twin_observation', n.seq::text)
  from (select 1) one left join numbered n on true
