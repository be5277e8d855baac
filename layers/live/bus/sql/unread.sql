-- Events after the reader's place in each partition it holds, oldest first: partition, number, body.
select e.partition, e.seq, e.body
  from unnest(%(partitions)s::smallint[], %(after)s::bigint[]) as p (partition, seq)
 cross join lateral (
    select partition, seq, body from bus.event
     where tenant = twin.tenant() and partition = p.partition and seq > p.seq and topic like any (%(topics)s)
     order by seq limit %(most)s) e
 order by e.seq limit %(most)s
