-- Takes numbered changes of layers into the log: how many events, and the last change taken (null: none). The key is the district
-- that holds the middle of what changed.
with taken as (
    select * from twin.change where tenant = twin.tenant() and seq > %(after)s order by seq limit %(most)s
), told as (
    select c.*, 'rwa.' || c.layer || '.changed' as topic,
           coalesce((select d.name from land.districts d
                      where d.geom && st_point((c.west + c.east) / 2, (c.south + c.north) / 2, 4326)
                        and st_intersects(d.geom, st_point((c.west + c.east) / 2, (c.south + c.north) / 2, 4326)) limit 1), 'rwanda') as key
      from taken c where c.output is null
), numbered as (
    insert into bus.event (seq, at, tenant, partition, topic, key, body)
    select %(seq)s + row_number() over (order by seq), at, tenant, (hashtext(key) & 2147483647) %% %(partitions)s, topic, key,
           jsonb_build_object(
               'specversion', '1.0', 'id', 'change/' || seq, 'source', '/twin/rwanda', 'type', topic, 'partitionkey', key, 'subject', layer,
               'time', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'datacontenttype', 'application/json',
               'dataschema', 'urn:twin:schema:change.v1', 'data', jsonb_build_object(
                   'number', seq, 'layer', layer, 'scenario', scenario, 'count', count,
                   'extent', case when west is null then null else jsonb_build_array(west, south, east, north) end))::text
      from told returning 1
)
select (select count(*) from numbered), (select max(seq) from taken)
