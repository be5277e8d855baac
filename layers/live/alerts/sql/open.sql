-- The newest event's number and, as of the same moment, every open alert with the event it stands by; columns as of news.
select r.event, e.seq, e.event, a.id, a.tenant, a.classification, a.sensor, a.district, a.datastream, a.lon, a.lat,
       jsonb_build_object(
           'event', e.event, 'at', e.at, 'id', a.id, 'rule', a.rule, 'title', a.title, 'severity', a.severity, 'state', a.state,
           'subject', a.subject, 'message', a.message, 'value', a.value, 'datastream', a.datastream, 'sensor', a.sensor,
           'district', a.district, 'lon', a.lon, 'lat', a.lat, 'people', a.people, 'people_in', a.people_in, 'since', a.since,
           'advice', (select known.definition -> 'advice' from iot.alert_rule known
                       where known.tenant = a.tenant and known.name = a.rule and known.version = a.version))::text
  from iot.alert_reader r
  left join (iot.alert a join iot.alert_event e on e.tenant = a.tenant and e.seq = a.seq)
    on a.tenant = r.tenant and a.state <> 'cleared'
 where r.tenant = twin.tenant() order by e.seq
