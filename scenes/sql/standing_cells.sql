-- returns keys and vertices of those of the given cells that stand
select cell, sum(vertices)::bigint from scenes.cell where scene = %(scene)s and cell = any (%(cells)s) group by cell
