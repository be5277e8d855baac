-- Moves a reader's places on, never back.
update bus.position held set seq = greatest(held.seq, said.seq)
  from unnest(%(partitions)s::smallint[], %(reached)s::bigint[]) as said (partition, seq)
 where held.tenant = twin.tenant() and held.reader = %(reader)s and held.partition = said.partition
