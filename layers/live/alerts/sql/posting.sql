-- What the bus is told of events of alerts, in the given order: number, event, time, sector, alert, rule, severity, sensor,
-- datastream, phenomenon, value, unit, district, people, lon, lat.
select e.seq, e.event, e.at, coalesce(s.name, 'other'), a.id, a.rule, a.severity, a.sensor, a.datastream, d.phenomenon, a.value, d.unit,
       a.district, a.people, a.lon, a.lat
  from unnest(%(seqs)s::bigint[]) with ordinality as given (seq, place)
  join iot.alert_event e on e.tenant = twin.tenant() and e.seq = given.seq
  join iot.alert a on a.id = e.alert
  left join iot.datastream d on d.id = a.datastream
  left join iot.sector s on s.id = d.sector
 order by given.place
