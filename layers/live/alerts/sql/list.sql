-- Alerts by what is asked, newest first: JSON.
select jsonb_build_object(
    'id', a.id, 'seq', a.seq, 'rule', a.rule, 'title', a.title, 'severity', a.severity, 'state', a.state, 'subject', a.subject,
    'message', a.message, 'value', a.value, 'sensor', a.sensor, 'district', a.district, 'lon', a.lon, 'lat', a.lat,
    'people', a.people, 'people_in', a.people_in, 'since', a.since, 'raised_at', a.raised_at,
    'acknowledged_at', a.acknowledged_at, 'acknowledged_by', a.acknowledged_by, 'escalated_at', a.escalated_at,
    'cleared_at', a.cleared_at, 'cleared_by', a.cleared_by)
  from iot.alert a
 where (%(state)s::text[] is null or a.state = any(%(state)s)) and (%(severity)s::text[] is null or a.severity = any(%(severity)s))
   and (%(rule)s::text is null or a.rule = %(rule)s) and (%(sensor)s::text is null or a.sensor = %(sensor)s)
   and (%(district)s::text is null or a.district = %(district)s) and (%(since)s::timestamptz is null or a.raised_at >= %(since)s)
   and a.id < %(before)s
 order by a.id desc limit %(limit)s
