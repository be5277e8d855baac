-- Every datastream a consumer takes messages for: id, sensor, topic, phenomenon, unit, schema, bounds, whether it moves, classification.
select id, sensor, topic, phenomenon, unit, schema, minimum, maximum, mobile, classification from iot.datastream
 where tenant = twin.tenant()
