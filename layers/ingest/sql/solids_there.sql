-- returns a row where a source has brought solids before
select from companion.solid where layer = %(layer)s and tenant = twin.tenant() and source = %(source)s limit 1
