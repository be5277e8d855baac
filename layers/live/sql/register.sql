-- One datastream, made or brought up to date by its topic.
insert into iot.datastream as held (tenant, sensor, topic, phenomenon, unit, schema, minimum, maximum, interval_s, mobile)
values (twin.tenant(), %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (topic) do update
   set sensor = excluded.sensor, phenomenon = excluded.phenomenon, unit = excluded.unit, schema = excluded.schema,
       minimum = excluded.minimum, maximum = excluded.maximum, interval_s = excluded.interval_s, mobile = excluded.mobile
