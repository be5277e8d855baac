-- The newest event's number, and events after a number, oldest first, with their alerts as they stand: newest, number, event, alert,
-- tenant, classification, sensor, district, datastream, lon, lat, JSON. One row with nulls where there is none.
select r.event, e.seq, e.event, a.id, a.tenant, a.classification, a.sensor, a.district, a.datastream, a.lon, a.lat,
       jsonb_build_object(
           'event', e.event, 'at', e.at, 'id', a.id, 'rule', a.rule, 'title', a.title, 'severity', a.severity,
           'state', case e.event when 'escalated' then 'raised' else e.event end, 'subject', a.subject, 'message', a.message,
           'value', a.value, 'datastream', a.datastream, 'sensor', a.sensor, 'district', a.district, 'lon', a.lon, 'lat', a.lat,
           'people', a.people, 'people_in', a.people_in, 'since', a.since,
           'advice', (select known.definition -> 'advice' from iot.alert_rule known
                       where known.tenant = a.tenant and known.name = a.rule and known.version = a.version))::text
  from iot.alert_reader r
  left join (iot.alert_event e join iot.alert a on a.id = e.alert)
    on e.tenant = r.tenant and e.seq > %(after)s and e.seq <= r.event and e.seq <= %(after)s + %(most)s
 where r.tenant = twin.tenant() order by e.seq
