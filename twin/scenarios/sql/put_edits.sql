-- How many: keeps the edits of a change set, given as JSON of layer, id, classification, before and after.
insert into twin.edit (change_set, layer, id, tenant, classification, before, after)
select %(change_set)s, e.layer, e.id, twin.tenant(), e.classification, nullif(e.before, 'null'), nullif(e.after, 'null')
  from jsonb_to_recordset(%(edits)s) as e(layer text, id text, classification text, before jsonb, after jsonb)
