-- Removes batches from the outbox that the rollups, the alerts and the bus have read and that are older than a reader may resume from.
delete from iot.outbox o using iot.rollup_reader r, iot.alert_reader a
 where o.tenant = twin.tenant() and r.tenant = o.tenant and a.tenant = o.tenant and o.seq <= r.seq
   and (o.seq <= a.seq or o.at < now() - make_interval(secs => 20 * %(keep_s)s)) and o.at < now() - make_interval(secs => %(keep_s)s)
   and (o.seq <= coalesce(bus.telemetry_taken(), o.seq) or o.at < now() - interval '3 days')
