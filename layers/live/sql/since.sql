-- Batches after a number, oldest first, column by column.
select seq, datastream, phenomenon_time, sequence, result, result_text, quality, lon, lat from iot.outbox
 where tenant = twin.tenant() and seq > %(seq)s order by seq limit %(most)s
