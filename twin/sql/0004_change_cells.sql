-- Which cells of the scenes a change made anew, as level/x/y; null where it is not known or where they are too many to name.
alter table twin.change add column cells text[];
