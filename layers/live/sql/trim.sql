-- Removes batches from the outbox that are folded and older than a reader may resume from.
delete from iot.outbox o using iot.rollup_reader r
 where o.tenant = twin.tenant() and r.tenant = o.tenant and o.seq <= r.seq and o.at < now() - make_interval(secs => %(keep_s)s)
