// A branch's way to the base: submitted, approved, merged, archived; and the conflicts that a person decides.
import { button, element } from "../parts";
import { ask, type Branch } from "./service";
import { refusal, told, when, type Words } from "./words";

export interface Rights {
  name: string;
  plan: boolean;
  approve: boolean;
  operate: boolean;
}

interface Review {
  old_state: string;
  new_state: string;
  author: string;
  at: string;
  note: string;
}

interface Conflict {
  id: number;
  layer: string;
  feature: string;
  field: string | null;
  base: unknown;
  ours: unknown;
  theirs: unknown;
  ours_by: string;
  theirs_by: string;
  choice: string | null;
}

/** The steps that lead on from a state, by who may take them. */
export function steps(branch: Branch, rights: Rights): { state: string; word: string; main?: boolean }[] {
  const { state } = branch;
  const found: { state: string; word: string; main?: boolean }[] = [];
  if (state === "draft" && rights.plan) found.push({ state: "submitted", word: "submit", main: true });
  if (state === "submitted" && rights.approve && branch.author !== rights.name) found.push({ state: "approved", word: "approve", main: true });
  if ((state === "submitted" || state === "approved") && rights.plan) found.push({ state: "draft", word: "take_back" });
  if (state !== "archived" && rights.plan) found.push({ state: "archived", word: "archive" });
  if (state === "archived" && rights.plan) found.push({ state: "draft", word: "reopen" });
  return found;
}

export async function review(branch: Branch, rights: Rights, say: Words, changed: (words: string) => Promise<void>): Promise<HTMLElement> {
  const box = element("div", "plan-review");
  const [{ reviews }, { conflicts }] = await Promise.all([
    ask<{ reviews: Review[] }>(`/scenarios/${branch.id}/reviews`),
    ask<{ conflicts: Conflict[] }>(`/scenarios/${branch.id}/conflicts?open=true`),
  ]);
  const result = element("div");
  const act = async (path: string, body: unknown, words: string): Promise<void> => {
    result.replaceChildren(element("p", "plan-quiet", say("working")));
    try {
      await ask(`/scenarios/${branch.id}/${path}`, { body });
      result.replaceChildren();
      note.value = "";
      await changed(words);
    } catch (error) {
      result.replaceChildren(refusal(error, say));
    }
  };
  box.append(element("p", "plan-lead", say(`state_${branch.state}_means`)));
  const note = Object.assign(element("textarea"), { rows: 2, maxLength: 1000, placeholder: say("review_note") });
  note.setAttribute("aria-label", say("review_note"));
  const acts = element("div", "plan-acts");
  for (const step of steps(branch, rights)) {
    const made = button(say(`do_${step.word}`), () => void act("state", { state: step.state, note: note.value.trim() }, say(`state_${step.state}`)), `plan-act${step.main ? " plan-main" : ""}`);
    made.dataset["step"] = step.state;
    acts.append(made);
  }
  if (rights.plan && branch.state === "draft") acts.append(button(say("do_rebase"), () => void act("rebase", undefinedBody, say("do_rebase")), "plan-act"));
  if (mayMerge(branch, rights)) acts.append(button(say(branch.parent === null ? "do_merge_base" : "do_merge"), () => void act("merge", undefinedBody, say("merged")), "plan-act plan-main"));
  if (acts.childElementCount) box.append(note, acts);
  else box.append(element("p", "plan-quiet", say(rights.plan ? "no_step" : "sign_in_how")));
  if (branch.state === "submitted" && rights.approve && branch.author === rights.name) box.append(element("p", "plan-quiet", say("not_ones_own")));
  box.append(result);
  if (conflicts.length) {
    box.append(element("h3", "", say("conflicts", { count: conflicts.length })));
    const list = element("ul", "plan-entries");
    for (const one of conflicts) list.append(conflict(one, rights.plan, say, (choice) => act(`conflicts/${one.id}/resolve`, { choice }, say("resolved"))));
    box.append(list);
  }
  if (reviews.length) {
    box.append(element("h3", "", say("reviews")));
    const list = element("ol", "plan-entries");
    for (const one of reviews) {
      const item = element("li");
      const words = element("div");
      words.append(element("b", "", say(`state_${one.new_state}`)), element("p", "plan-quiet", `${one.author} · ${when(one.at)}`));
      if (one.note) words.append(element("p", "", one.note));
      item.append(words);
      list.append(item);
    }
    box.append(list);
  }
  return box;
}

/** Rebase and merge take nothing but their path. */
const undefinedBody = {};

function mayMerge(branch: Branch, rights: Rights): boolean {
  if (branch.parent === null) return rights.operate && branch.state === "approved";
  return rights.plan && branch.state !== "archived";
}

function conflict(one: Conflict, mayDecide: boolean, say: Words, decide: (choice: string) => Promise<void>): HTMLElement {
  const item = element("li", "plan-conflict");
  const words = element("div");
  words.append(element("b", "", one.field ? say(`field_${one.field}`) : say("whole_feature")), element("p", "plan-quiet plan-id", `${one.layer} ${one.feature}`));
  const table = element("dl", "plan-list");
  const sides: [string, unknown, string][] = [["base", one.base, ""], ["ours", one.ours, one.ours_by], ["theirs", one.theirs, one.theirs_by]];
  for (const [side, value, by] of sides) table.append(element("dt", "", by ? `${say(`side_${side}`)} (${by})` : say(`side_${side}`)), element("dd", "", told(value).slice(0, 200)));
  words.append(table);
  if (mayDecide) {
    const acts = element("div", "plan-acts");
    for (const [side] of sides) acts.append(button(say(`take_${side}`), () => void decide(side), "plan-act"));
    words.append(acts);
  }
  item.append(words);
  return item;
}
