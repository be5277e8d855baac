-- a relation: the buildings that a branch adds or changes, with the columns of their layer
(select (jsonb_populate_record(null::{layer}, o.row || jsonb_build_object('geom', o.geom::text))).*
   from twin.overlay_of(%(scenario)s, %(layer)s) o where o.operation <> 'remove' and twin.may_read(o.classification, o.tenant))
