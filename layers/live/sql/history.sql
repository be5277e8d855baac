-- Observations of one datastream between two times, newest first: time, value, quality.
select phenomenon_time, result, result_text, quality, lon, lat from iot.observation
 where datastream = %(datastream)s and phenomenon_time >= %(since)s and phenomenon_time < %(until)s
 order by phenomenon_time desc, sequence desc limit %(most)s
