-- One row per layer that the twin knows: how many, where, how fresh, from which origins.
select name, generation, count, origins, loaded_at,
       st_xmin(extent) as west, st_ymin(extent) as south, st_xmax(extent) as east, st_ymax(extent) as north
  from twin.layer
