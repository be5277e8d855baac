-- Moves what was posted into the log, in the order it was posted; how many.
with taken as (
    delete from bus.posted where id in (select id from bus.posted where tenant = twin.tenant() order by id limit %(most)s) returning *
), told as (
    insert into bus.event (seq, at, tenant, partition, topic, key, body)
    select %(seq)s + row_number() over (order by id), at, tenant, (hashtext(key) & 2147483647) %% %(partitions)s, topic, key, body
      from taken returning 1
)
select count(*) from told
