-- The head, held while events are numbered: seq, observations, changes; nothing where another process is at it.
select seq, observations, changes from bus.head where tenant = twin.tenant() for update skip locked
