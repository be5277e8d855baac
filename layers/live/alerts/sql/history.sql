-- Every version of a rule, newest first: name, version, definition (null: removed), author, time.
select name, version, definition, author, at from iot.alert_rule where tenant = twin.tenant() and name = %(name)s order by version desc
