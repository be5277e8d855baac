-- The newest observation of every datastream.
select datastream, phenomenon_time, sequence, result, result_text, quality, lon, lat from iot.latest
