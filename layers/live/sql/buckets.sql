-- Buckets of one datastream between two times, newest first: start, count, mean, minimum, maximum, last.
select bucket, count, total / count, minimum, maximum, last from iot.rollup
 where datastream = %(datastream)s and width_s = %(width_s)s and bucket >= %(since)s and bucket < %(until)s
 order by bucket desc limit %(most)s
