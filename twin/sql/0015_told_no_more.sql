-- What was told to whom need not be known: figures of persons are sums over fixed groups (layers/indicators/groups.py).
drop table twin.indicator_told;
