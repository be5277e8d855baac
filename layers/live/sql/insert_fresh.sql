-- Stores those staged observations that are new and takes the others, and repeats within the batch, out of the staging table.
with fresh as (
    insert into iot.observation (phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text, quality,
                                 classification, sector)
    select distinct on (datastream, phenomenon_time, sequence)
           phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text, quality, classification, sector
      from pg_temp.live_staged order by datastream, phenomenon_time, sequence, ctid
    on conflict (datastream, phenomenon_time, sequence, sector) do nothing
    returning datastream, phenomenon_time, sequence
), kept as (
    select distinct on (datastream, phenomenon_time, sequence) s.ctid as place
      from pg_temp.live_staged s join fresh using (datastream, phenomenon_time, sequence)
     order by datastream, phenomenon_time, sequence, s.ctid
)
delete from pg_temp.live_staged where ctid not in (select place from kept)
