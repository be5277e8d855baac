-- Every datastream a consumer takes messages for: id, sensor, topic, phenomenon, unit, schema, bounds, whether it moves,
-- classification, its sector and since when that is kept.
select d.id, d.sensor, d.topic, d.phenomenon, d.unit, d.schema, d.minimum, d.maximum, d.mobile, d.classification, d.sector, s.kept_since
  from iot.datastream d join iot.sector s on s.id = d.sector
 where d.tenant = twin.tenant()
