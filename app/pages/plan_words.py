"""The words of the workbench, by the names that it uses."""

from __future__ import annotations

from app.i18n import Words


def workbench_texts(say: Words) -> dict[str, str]:
    """Values in braces stay for the workbench to fill."""
    return bench_texts(say) | acting_texts(say) | lists_texts(say) | reviewing_texts(say) | strip_texts(say)


def bench_texts(say: Words) -> dict[str, str]:
    """The panel, the bar and the branch."""
    return {
        "bar": say("Branch and undo"),
        "base": say("Base (nothing planned)"),
        "base_long": say("Base: the country as it stands"),
        "branch": say("Plan"),
        "branch_new": say("New plan"),
        "branch_make": say("Make the plan"),
        "branch_from": say("Starts from"),
        "branch_colour": say("Colour"),
        "branch_made": say('The plan "{name}" is open.'),
        "branch_choose": say("Choose a plan above to see it on the map, or make a new one."),
        "branch_first": say(
            "There is no plan yet. Make one: it starts as the country stands, and nothing that you try in it changes the country."
        ),
        "branch_missing": say("Plan {id} is not there: it was deleted, or it is not open to you."),
        "branch_missing_remedy": say("Choose another plan from the list, or ask whoever sent the link."),
        "may_not": say("You may look, but planning takes the right of a planner."),
        "sign_in_how": say(
            "Sign in: run `twin login --role planner` where the service runs and open the link that it prints, or ask the operator for a link."
        ),
        "not_draft": say(
            "This plan is {state}: it is read, not edited. Take it back to a draft under Review, or make a new plan from it."
        ),
        "session_ended": say("Your session has ended. What you drew and filled in is kept in this browser."),
        "session_still": say("Nobody is signed in here yet. What you drew is still kept."),
        "session_how": say("Open a new login link in another tab of this browser, come back here, and go on."),
        "session_go_on": say("Go on"),
        "kept": say("Drawn here and not carried out yet: {what}"),
        "kept_go_on": say("Go on with it"),
        "kept_drop": say("Drop it"),
        "met": say(
            "Somebody else changed the same meanwhile ({count}): theirs stands, yours is kept beside it until you decide."
        ),
        "met_decide": say("Decide now"),
        "undo": say("Undo"),
        "redo": say("Redo"),
        "undo_how": say("Take the last step back (z)"),
        "redo_how": say("Put it on again (Shift+z)"),
        "undo_done": say("The last step was taken back."),
        "redo_done": say("The step was put on again."),
        "did": say("{what}: features changed: {count}"),
        "tabs": say("Parts of the plan"),
        "tab_build": say("Build"),
        "tab_changes": say("Changes"),
        "tab_rules": say("Rules"),
        "tab_history": say("History"),
        "tab_talk": say("Comments"),
        "tab_review": say("Review"),
        "state_draft": say("draft"),
        "state_submitted": say("submitted"),
        "state_approved": say("approved"),
        "state_archived": say("archived"),
        "away": say("The service does not answer."),
        "away_remedy": say("Nothing was changed. Try again in a moment."),
        "back": say("Back"),
    }


def acting_texts(say: Words) -> dict[str, str]:
    """Operations, drawing and choosing."""
    return {
        "group_zone": say("Zones"),
        "group_building": say("Buildings"),
        "group_facility": say("Facilities"),
        "group_road": say("Roads, paths, pipes"),
        "group_parcel": say("Parcels"),
        "group_shock": say("What if"),
        "more": say("More settings"),
        "draw_a_point": say("Point at the place"),
        "draw_a_line": say("Draw the line"),
        "draw_a_polygon": say("Draw the outline"),
        "draw_again": say("Draw again"),
        "drawn_done": say("✓ drawn"),
        "drawn_needed": say("not drawn yet"),
        "pick": say("Pick on the map"),
        "pick_how": say("Click it on the map, or move it under the middle and press Enter. Escape ends."),
        "pick_none": say("Nothing of that kind is there. Click another, or press Escape."),
        "in_view": say("in view…"),
        "none_in_view": say("none in view"),
        "still_missing": say("Still missing: {what}"),
        "number_from": say("{what}: write a number from {least} on."),
        "number_between": say("{what}: write a number between {least} and {most}."),
        "would_come_to": say("This would come to"),
        "rules_kept": say("No rule is broken."),
        "rules_broken": say("Rules broken: {count}. They are marked on the map and listed under Rules."),
        "shares": say("What the floor area is for (shares)"),
        "shares_sum": say("Together {sum} %; it has to be 100 %"),
        "zone_new": say("New zone"),
        "fill_again": say("Fill it another way"),
        "working": say("Working"),
        "working_for": say("Working, {seconds} s"),
        "cancel": say("Cancel"),
        "cancelling": say("Cancelling…"),
        "called_off": say("Cancelled; the plan is as it was."),
    }


def lists_texts(say: Words) -> dict[str, str]:
    """Changes, rules, history, comments."""
    return {
        "changes_none": say("Nothing is changed yet. Choose something under Build."),
        "changes_sum": say("{add} added, {modify} changed, {remove} removed"),
        "changes_more": say("and {count} more"),
        "op_add": say("added"),
        "op_modify": say("changed"),
        "op_remove": say("removed"),
        "old": say("Before"),
        "new": say("After"),
        "zoom_to": say("Show"),
        "rules_none": say("No rule of a zone is broken."),
        "rule_is": say("{rule}: {value} {unit}, allowed {limit}"),
        "rule_floor_area_ratio": say("Plot ratio"),
        "rule_coverage": say("Ground covered"),
        "rule_height": say("Height"),
        "rule_use": say("Use"),
        "rule_setback": say("Distance to the parcel's edge"),
        "rule_setback_from_roads": say("Distance to the road"),
        "rule_smallest_parcel": say("Smallest parcel"),
        "history_none": say("Nothing has happened yet."),
        "edits": say("changes: {count}"),
        "edits_by_hand": say("Changes by hand"),
        "move_undo": say("Undone"),
        "move_redo": say("Redone"),
        "move_rebase": say("Brought up to date"),
        "move_merge": say("Merged"),
        "move_resolve": say("Decided"),
        "talk_none": say("No comments yet. Write the first, and pin it to a place if it is about one."),
        "comment_new": say("Your comment"),
        "comment_pin": say("Pin to a place"),
        "comment_send": say("Send"),
        "resolve": say("Close"),
        "reopen": say("Open again"),
        "resolved": say("Decided."),
        "resolved_by": say("closed by {name}"),
    }


def reviewing_texts(say: Words) -> dict[str, str]:
    """States, merging, conflicts."""
    return {
        "state_draft_means": say("A draft: only your own people edit it. Submit it when it is ready to be judged."),
        "state_submitted_means": say("Submitted: it waits for an approver who had no hand in it."),
        "state_approved_means": say("Approved: an operator may merge it into the base."),
        "state_archived_means": say("Archived: kept, and not edited any more."),
        "review_note": say("A note with the step (optional)"),
        "do_submit": say("Submit"),
        "do_approve": say("Approve"),
        "do_take_back": say("Back to draft"),
        "do_archive": say("Archive"),
        "do_reopen": say("Open again as draft"),
        "do_rebase": say("Take over what changed under it"),
        "do_merge": say("Merge into the plan it came from"),
        "do_merge_base": say("Merge into the base"),
        "merged": say("Merged."),
        "no_step": say("No step is open to you now."),
        "not_ones_own": say("Somebody else has to approve it: nobody approves their own plan."),
        "conflicts": say("To be decided: {count}"),
        "reviews": say("Steps so far"),
        "whole_feature": say("The whole feature"),
        "side_base": say("Before both"),
        "side_ours": say("This plan"),
        "side_theirs": say("The other"),
        "take_base": say("Take: before both"),
        "take_ours": say("Take: this plan"),
        "take_theirs": say("Take: the other"),
    }


def strip_texts(say: Words) -> dict[str, str]:
    """The indicator strip."""
    return {
        "strip": say("What the plan comes to"),
        "strip_place": say("Place of the figures"),
        "strip_open": say("Show the figures"),
        "strip_close": say("Fold the figures"),
        "strip_busy": say("Computing, {at} of {count}…"),
        "strip_base": say("The country as it stands"),
        "place_in_view": say("In view: {place}"),
        "place_country": say("the whole country"),
        "place_cells": say("Cell {name}"),
        "place_sectors": say("Sector {name}"),
        "place_districts": say("District {name}"),
        "base_is": say("base {value}"),
        "no_difference": say("no difference"),
        "interval": say("Difference of the plan from the base, with its 90 % interval"),
        "suppressed": say("withheld"),
        "suppressed_why": say("Withheld: too few people to be told without naming them."),
    }
