-- A branch and its ancestors as far as the reader may see them: id, version, nearest first.
select s.id, s.version from twin.lineage(%(scenario)s) l join twin.scenario s on s.id = l.scenario order by l.depth
