-- The newest version of each rule, or of one: name, version, definition (null: removed), author, time.
select distinct on (name) name, version, definition, author, at from iot.alert_rule
 where tenant = twin.tenant() and (%(name)s::text is null or name = %(name)s) order by name, version desc
