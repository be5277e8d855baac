-- Batches of a stretch, oldest first, with how many values the stretch holds: seq, then columns, then the sum.
select seq, datastream, phenomenon_time, sequence, result, result_text, quality, lon, lat, sum(cardinality(datastream)) over () from iot.outbox
 where tenant = twin.tenant() and seq > %(since)s and seq <= %(until)s order by seq limit %(most)s
