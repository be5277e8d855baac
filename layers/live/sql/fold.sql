-- One row: the outbox number the rollups have reached (null while another process folds), and how many batches were folded.
-- Late observations add to their own bucket: counts, sums and extremes merge, and the last is the newest by phenomenon time.
with reader as (
    select tenant, seq from iot.rollup_reader where tenant = twin.tenant() for update skip locked
), taken as (
    select o.* from iot.outbox o join reader r on o.tenant = r.tenant and o.seq > r.seq and o.seq <= r.seq + %(batches)s
), arrived as (
    select a.datastream, a.phenomenon_time, a.sequence, a.result
      from taken t, unnest(t.datastream, t.phenomenon_time, t.sequence, t.result, t.quality)
           as a (datastream, phenomenon_time, sequence, result, quality)
     where a.quality <> 'bad' and a.result is not null
), folded as (
    select w.width_s, a.datastream,
           date_bin(make_interval(secs => w.width_s), a.phenomenon_time, '2000-01-01 00:00+02') as bucket,
           count(*) as count, sum(a.result) as total, min(a.result) as minimum, max(a.result) as maximum,
           (array_agg(a.result order by a.phenomenon_time desc, a.sequence desc))[1] as last,
           max(a.phenomenon_time) as last_time,
           (array_agg(a.sequence order by a.phenomenon_time desc, a.sequence desc))[1] as last_sequence
      from arrived a cross join (values (60), (900), (3600), (86400)) as w (width_s)
     group by 1, 2, 3
), merged as (
    insert into iot.rollup as held (bucket, count, total, minimum, maximum, last, last_time, last_sequence, datastream, width_s,
                                    tenant, classification)
    select f.bucket, f.count, f.total, f.minimum, f.maximum, f.last, f.last_time, f.last_sequence, f.datastream, f.width_s,
           d.tenant, d.classification
      from folded f join iot.datastream d on d.id = f.datastream
    on conflict (width_s, datastream, bucket) do update
       set count = held.count + excluded.count, total = held.total + excluded.total,
           minimum = least(held.minimum, excluded.minimum), maximum = greatest(held.maximum, excluded.maximum),
           last = case when (excluded.last_time, excluded.last_sequence) > (held.last_time, held.last_sequence)
                       then excluded.last else held.last end,
           last_sequence = case when (excluded.last_time, excluded.last_sequence) > (held.last_time, held.last_sequence)
                       then excluded.last_sequence else held.last_sequence end,
           last_time = greatest(held.last_time, excluded.last_time)
), reached as (
    update iot.rollup_reader r set seq = (select max(seq) from taken)
     where r.tenant = twin.tenant() and exists (select from taken) returning r.seq
)
select coalesce((select seq from reached), (select seq from reader)), (select count(*) from taken)
