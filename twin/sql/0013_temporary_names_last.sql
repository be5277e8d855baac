-- What runs with its owner's rights looks into temporary names last, where anybody may put a name: the functions of the queue of jobs.
alter function twin.take_job(text[], text, float8) set search_path = pg_catalog, twin, pg_temp;
alter function twin.tidy_jobs(int) set search_path = pg_catalog, twin, pg_temp;
do $$
declare
    one regprocedure;
begin
    for one in select p.oid from pg_proc p where p.pronamespace = 'twin'::regnamespace
                and p.proname in ('beat_job', 'end_job', 'add_job_file') loop
        execute format('alter function %s set search_path = pg_catalog, twin, pg_temp', one);
    end loop;
end $$;
