-- The number of the newest batch and, as of the same moment, the newest observation of every datastream.
select s.seq, l.datastream, l.phenomenon_time, l.sequence, l.result, l.result_text, l.quality, l.lon, l.lat
  from iot.stream s left join iot.latest l on l.tenant = s.tenant where s.tenant = twin.tenant()
