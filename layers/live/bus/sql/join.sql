-- Makes a group known, or renews it, and gives it a place in every partition where it has none: before the oldest event.
with known as (
    insert into bus.reader as held (tenant, name, topics, keeps) values (twin.tenant(), %(reader)s, %(topics)s, %(keeps)s)
    on conflict (tenant, name) do update set topics = excluded.topics, keeps = excluded.keeps, seen_at = now()
    returning tenant, name
)
insert into bus.position (tenant, reader, partition, seq)
select tenant, name, partition, (select trimmed from bus.head h where h.tenant = known.tenant)
  from known, generate_series(0, %(partitions)s - 1) partition
on conflict do nothing
