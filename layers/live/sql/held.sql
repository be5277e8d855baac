-- Refused messages after an id, oldest first, by a part of the reason and the time of the last copy: id, topic, payload, when it came first.
select id, topic, payload, first_at from iot.quarantine
 where tenant = twin.tenant() and id > %(after)s and reason ilike '%%' || %(reason)s || '%%' and last_at >= %(since)s
 order by id limit %(most)s
