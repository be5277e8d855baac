-- What each datastream was at before the batches after a number: id, time of its newest value (null where a later batch has one), when
-- it was heard.
select l.datastream,
       case when exists (select from iot.outbox o where o.tenant = twin.tenant() and o.seq > %(seq)s and l.datastream = any(o.datastream))
            then null else l.phenomenon_time end,
       l.received_at
  from iot.latest l where l.tenant = twin.tenant() and l.datastream = any(%(datastreams)s)
