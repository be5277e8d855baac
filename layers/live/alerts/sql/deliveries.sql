-- Who was told of an alert: id, event's number, channel, target, state, attempts, what was said, when it was made and ended.
select id::text, seq, channel, target, state, attempts, said, made_at, ended_at from iot.alert_delivery
 where alert = %(alert)s order by seq, channel, target
