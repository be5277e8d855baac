-- One row where this process may evaluate: the position in the outbox, the newest batch, whether it held the lease before, how long
-- nobody evaluated (seconds).
update iot.alert_reader a set holder = %(me)s, held_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
  from (select holder, held_until from iot.alert_reader where tenant = twin.tenant() for update skip locked) was
 where a.tenant = twin.tenant() and (was.holder = %(me)s or was.held_until < clock_timestamp())
returning a.seq, (select seq from iot.stream where tenant = twin.tenant()), was.holder = %(me)s
