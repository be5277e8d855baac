-- Nothing: makes the table of a source's rows in Hilbert order (PostGIS orders geometry so), each with the digest of what it says.
create unlogged table {ready} as
select s.*, md5(s.geom::bytea || convert_to(row(s.valid_from, s.valid_to, s.origin {fields})::text, 'UTF8'))::uuid as digest
  from {stage} s order by s.geom
