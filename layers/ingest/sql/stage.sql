-- Nothing: makes the table that rows of one source wait in, typed as the layer, without its keys, triggers and rights.
create unlogged table {stage} as
select null::bigint as ordinal, id, geom::geometry(geometry, 4326), valid_from, valid_to, origin {fields} from {layer} with no data
