-- Gives up events that every group that keeps has read after some time, the others after the longest, and groups not seen for as
-- long; how many events went.
with gone_groups as (
    delete from bus.reader where tenant = twin.tenant() and seen_at < now() - make_interval(secs => %(longest_s)s) returning 1
), least as (
    select p.partition, min(p.seq) as seq from bus.position p join bus.reader r on r.tenant = p.tenant and r.name = p.reader
     where r.tenant = twin.tenant() and r.keeps group by p.partition
), gone as (
    delete from bus.event e
     where e.tenant = twin.tenant()
       and e.at < now() - make_interval(secs => case when e.bulk then %(keep_bulk_s)s else %(keep_s)s end)
       and (e.at < now() - make_interval(secs => %(longest_s)s)
            or e.seq <= coalesce((select l.seq from least l where l.partition = e.partition), e.seq))
    returning e.seq
), marked as (
    update bus.head set trimmed = greatest(trimmed, (select max(seq) from gone)) where tenant = twin.tenant() and exists (select from gone)
)
select count(*) from gone
