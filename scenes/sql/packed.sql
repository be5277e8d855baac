-- returns one row: facts (records of scenes.footprints.FACTS), shapes (WKB one after another), ids (UTF-8 one after another),
-- solids (layers/solids.py one after another)
-- of a query that names the columns below, in its own order
select string_agg(
           int4send(fid) || int4send(tenant) || float4send(height_m) || float4send(height_se_m) || float4send(roof_height_m)
           || float4send(ground_m) || float4send(ground_max_m) || int2send(roof) || int2send(storeys) || int2send(use)
           || int2send(origin) || int2send(classification) || int2send(octet_length(id)::int2) || int4send(octet_length(shape))
           || int4send(octet_length(solid)),
           ''::bytea) as facts,
       string_agg(shape, ''::bytea) as shapes,
       string_agg(convert_to(id, 'UTF8'), ''::bytea) as ids,
       string_agg(solid, ''::bytea) as solids
  from ({rows}) as building
