-- Which database this is: cluster, its timeline (another after a restore), database, PostGIS that draws.
select (select system_identifier from pg_control_system()), (select timeline_id from pg_control_checkpoint()),
       (select oid from pg_database where datname = current_database()), postgis_lib_version()
