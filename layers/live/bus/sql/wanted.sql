-- Whether some group that was seen lately reads telemetry, and whether some reads changes: patterns against the topics there are.
select exists (select from iot.datastream d join bus.reader r on r.tenant = d.tenant
                where d.tenant = twin.tenant() and replace(regexp_replace(d.topic, '/[^/]*$', ''), '/', '.') like any (r.topics)),
       exists (select from twin.layer l join bus.reader r on r.tenant = twin.tenant() where 'rwa.' || l.name || '.changed' like any (r.topics)),
       (select min(seq) from iot.outbox where tenant = twin.tenant())
