-- The connection's own table that a batch is copied to before it is stored; empty at each commit.
create temporary table if not exists live_staged (
    phenomenon_time timestamptz not null,
    sequence bigint not null,
    result float8,
    received_at timestamptz not null,
    lon float8,
    lat float8,
    datastream int not null,
    tenant int not null,
    result_text text,
    quality text not null,
    classification text not null,
    sector smallint not null
) on commit delete rows
