-- Stores the staged observations, all of them new; where one is not, it fails. In the order of the key, so that two consumers
-- with the same observations wait for one another and never across.
insert into iot.observation (phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text, quality,
                             classification, sector)
select phenomenon_time, sequence, result, received_at, lon, lat, datastream, tenant, result_text, quality, classification, sector
  from pg_temp.live_staged order by datastream, phenomenon_time, sequence
