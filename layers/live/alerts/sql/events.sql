-- What happened to an alert, in order: number, event, time, by whom.
select seq, event, at, by from iot.alert_event where alert = %(alert)s order by seq
