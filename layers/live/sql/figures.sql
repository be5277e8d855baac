-- One row for operators: batches stored, refused messages and their copies, seconds since the newest was received, batches the rollups
-- lag, batches in the outbox, events posted, numbered, and those the slowest keeping group has not read (partition by partition).
select (select seq from iot.stream where tenant = twin.tenant()),
       (select count(*) from iot.quarantine), (select coalesce(sum(copies), 0) from iot.quarantine),
       (select coalesce(extract(epoch from clock_timestamp() - max(received_at)), -1) from iot.latest),
       (select s.seq - r.seq from iot.stream s join iot.rollup_reader r on r.tenant = s.tenant where s.tenant = twin.tenant()),
       (select count(*) from iot.outbox where tenant = twin.tenant()),
       (select count(*) from bus.posted), (select seq from bus.head where tenant = twin.tenant()),
       (select count(*) from bus.event e
         where e.seq > (select min(p.seq) from bus.position p join bus.reader r on r.tenant = p.tenant and r.name = p.reader
                         where r.keeps and p.tenant = e.tenant and p.partition = e.partition))
