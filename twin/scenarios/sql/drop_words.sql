-- How many: takes from the overlay the words that a change set ended or, going back, those that it began.
delete from twin.overlay o using twin.edit e
 where e.change_set = %(change_set)s and (case when %(back)s then e.before else e.after end) is null
   and o.scenario = %(scenario)s and o.layer = e.layer and o.id = e.id
