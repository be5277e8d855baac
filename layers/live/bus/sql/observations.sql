-- Takes batches of telemetry into the log, one event per batch, topic and district: how many events, and the last batch taken (null: none).
with batch as (
    select * from iot.outbox where tenant = twin.tenant() and seq > %(after)s order by seq limit %(most)s
), value as (
    select b.seq, b.at, b.tenant, v.*, d.sensor, d.phenomenon, d.unit,
           replace(regexp_replace(d.topic, '/[^/]*$', ''), '/', '.') as topic, coalesce(nullif(s.district, ''), 'rwanda') as key
      from batch b
     cross join unnest(b.datastream, b.phenomenon_time, b.sequence, b.result, b.result_text, b.quality, b.lon, b.lat)
           with ordinality as v (datastream, phenomenon_time, sequence, result, result_text, quality, lon, lat, place)
      join iot.datastream d on d.id = v.datastream
      left join iot.sensors s on s.tenant = d.tenant and s.id = d.sensor
), told as (
    select seq, at, tenant, topic, key,
           'observations/' || tenant || '/' || seq || '/' || topic || '/' || key as id,
           jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'datastream', datastream, 'sensor', sensor, 'phenomenon', phenomenon, 'unit', unit, 'sequence', sequence::text,
               'time', to_char(phenomenon_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'value', coalesce(to_jsonb(result), to_jsonb(result_text)), 'quality', quality, 'lon', lon, 'lat', lat)) order by place) as list
      from value group by seq, at, tenant, topic, key
), numbered as (
    insert into bus.event (seq, at, tenant, partition, bulk, topic, key, body)
    select %(seq)s + row_number() over (order by seq, topic, key), at, tenant, (hashtext(key) & 2147483647) %% %(partitions)s, true, topic, key,
           jsonb_build_object(
               'specversion', '1.0', 'id', id, 'source', '/twin/rwanda', 'type', topic, 'partitionkey', key,
               'time', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'datacontenttype', 'application/json',
               'dataschema', 'urn:twin:schema:observations.v1', 'data', jsonb_build_object('batch', seq, 'observations', list))::text
      from told returning 1
)
select (select count(*) from numbered), (select max(seq) from batch), (select min(seq) from batch)
