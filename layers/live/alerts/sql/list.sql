-- Alerts by what is asked, newest first: JSON.
select iot.alert_told(a)
  from iot.alert a
 where (%(state)s::text[] is null or a.state = any(%(state)s)) and (%(severity)s::text[] is null or a.severity = any(%(severity)s))
   and (%(rule)s::text is null or a.rule = %(rule)s) and (%(sensor)s::text is null or a.sensor = %(sensor)s)
   and (%(district)s::text is null or a.district = %(district)s) and (%(since)s::timestamptz is null or a.raised_at >= %(since)s)
   and a.id < %(before)s
 order by a.id desc limit %(limit)s
