// What is known of a branch, as lists: what it changes, which rules it breaks, what happened to it, what is said about it.
import { button, element } from "../parts";
import { extentOf } from "./marks";
import { ask, type Branch, type Comment, type Difference, type Violation } from "./service";
import { refusal, told, when, type Words } from "./words";

const MOST_SHOWN = 100;

export interface ListActs {
  go(box: [number, number, number, number]): void;
  /** Lets the viewer point at a place; null where none was. */
  point(): Promise<[number, number] | null>;
  changed(): Promise<void>;
  layer(name: string): string;
}

interface Move {
  version: number;
  move: string;
  author: string;
  at: string;
  note: string;
  operation: { name?: string } | null;
  edits: number;
}

/** What differs, feature by feature, with old and new. */
export function changes(found: Difference[], say: Words, acts: ListActs): HTMLElement {
  const box = element("div", "plan-changes");
  if (!found.length) return empty(say("changes_none"));
  const count = (operation: string): number => found.filter((one) => one.operation === operation).length;
  box.append(element("p", "plan-quiet", say("changes_sum", { add: count("add"), modify: count("modify"), remove: count("remove") })));
  const list = element("ul", "plan-entries");
  for (const one of found.slice(0, MOST_SHOWN)) list.append(change(one, say, acts));
  box.append(list);
  if (found.length > MOST_SHOWN) box.append(element("p", "plan-quiet", say("changes_more", { count: found.length - MOST_SHOWN })));
  return box;
}

function change(one: Difference, say: Words, acts: ListActs): HTMLElement {
  const item = element("li");
  const fold = element("details");
  const head = element("summary");
  const sign = element("i", `plan-sign plan-${one.operation}`, { add: "+", modify: "~", remove: "−" }[one.operation]);
  sign.title = say(`op_${one.operation}`);
  head.append(sign, element("span", "", acts.layer(one.layer)), element("small", "plan-quiet", `${say(`op_${one.operation}`)} · ${one.author ?? ""}`));
  const table = element("table");
  const names = element("tr");
  for (const word of one.operation === "modify" ? ["", say("old"), say("new")] : ["", say(one.operation === "add" ? "new" : "old")]) names.append(element(word ? "th" : "td", "", word));
  table.append(names);
  for (const [field, { old, new: fresh }] of Object.entries(one.fields)) {
    if ((old ?? null) === null && (fresh ?? null) === null) continue;
    const row = element("tr");
    const title = element("th", "", say(`field_${field}`));
    title.scope = "row";
    row.append(title);
    if (one.operation !== "add") row.append(element("td", "plan-old", told(old)));
    if (one.operation !== "remove") row.append(element("td", "plan-new", told(fresh)));
    table.append(row);
  }
  const where = extentOf([one.geometry.new ?? one.geometry.old]);
  const go = button(say("zoom_to"), () => where && acts.go(where), "plan-act");
  go.setAttribute("aria-label", `${say("zoom_to")}: ${acts.layer(one.layer)} ${one.id}`);
  fold.append(head, element("p", "plan-quiet plan-id", one.id), table);
  item.append(fold, go);
  return item;
}

export function ruleWords(one: Violation, say: Words): string {
  const rule = say(`rule_${one.rule.replaceAll(" ", "_")}`);
  return typeof one.value === "number" ? say("rule_is", { rule, value: told(one.value), limit: told(one.limit), unit: one.unit === "1" ? "" : one.unit }) : rule;
}

export function rules(found: Violation[], say: Words, acts: ListActs): HTMLElement {
  if (!found.length) return empty(say("rules_none"));
  const list = element("ul", "plan-entries");
  for (const one of found.slice(0, MOST_SHOWN)) {
    const item = element("li");
    const words = element("div");
    words.append(element("b", "plan-wrong", ruleWords(one, say)), element("p", "plan-quiet plan-id", `${acts.layer(one.layer)} ${one.id}`));
    const [lon, lat] = one.place;
    item.append(words, button(say("zoom_to"), () => acts.go([lon - 4e-4, lat - 4e-4, lon + 4e-4, lat + 4e-4]), "plan-act"));
    list.append(item);
  }
  return list;
}

/** What happened, newest first, and who did it. */
export async function history(branch: Branch, say: Words, titles: (operation: string) => string): Promise<HTMLElement> {
  const { moves } = await ask<{ moves: Move[] }>(`/scenarios/${branch.id}/history`);
  if (!moves.length) return empty(say("history_none"));
  const list = element("ol", "plan-entries plan-history");
  for (const one of moves) {
    const item = element("li");
    const what = one.operation?.name ? titles(one.operation.name) : say("edits_by_hand");
    const words = element("div");
    words.append(element("b", "", ["write", "edit"].includes(one.move) ? what : `${say(`move_${one.move}`)}: ${what}`), element("p", "plan-quiet", `${one.author} · ${when(one.at)} · ${say("edits", { count: one.edits })}`));
    if (one.note) words.append(element("p", "", one.note));
    item.append(words);
    list.append(item);
  }
  return list;
}

/** Comments with their answers, and a field for another, pinned to a place where that is wished. */
export function talk(branch: Branch, found: Comment[], mayWrite: boolean, say: Words, acts: ListActs): HTMLElement {
  const box = element("div", "plan-talk");
  const result = element("div");
  const send = async (act: () => Promise<unknown>): Promise<void> => {
    try {
      await act();
      await acts.changed();
    } catch (error) {
      result.replaceChildren(refusal(error, say));
    }
  };
  const list = element("ul", "plan-entries");
  for (const one of found.filter(({ thread }) => thread === null)) {
    const item = element("li", one.resolved_at ? "plan-resolved" : "");
    const words = element("div");
    words.append(element("b", "", one.author), element("small", "plan-quiet", ` ${when(one.at)}${one.resolved_at ? ` · ${say("resolved_by", { name: one.resolved_by ?? "" })}` : ""}`), element("p", "", one.body));
    for (const answer of found.filter(({ thread }) => thread === one.id)) words.append(element("p", "plan-answer", `${answer.author}: ${answer.body}`));
    const acting = element("div", "plan-acts");
    if (one.lon !== null && one.lat !== null) acting.append(button(say("zoom_to"), () => acts.go([one.lon! - 1e-3, one.lat! - 1e-3, one.lon! + 1e-3, one.lat! + 1e-3]), "plan-act"));
    if (mayWrite) acting.append(button(say(one.resolved_at ? "reopen" : "resolve"), () => void send(() => ask(`/scenarios/${branch.id}/comments/${one.id}/resolve`, { body: { resolved: !one.resolved_at } })), "plan-act"));
    words.append(acting);
    item.append(words);
    list.append(item);
  }
  box.append(found.length ? list : empty(say("talk_none")));
  if (mayWrite) box.append(writing(branch, say, acts, send), result);
  return box;
}

interface Draft {
  body: string;
  at: [number, number] | null;
  told: HTMLElement;
}

/** What is written and not sent, by branch: the list is made anew whenever somebody changes something. */
const drafts = new Map<number, Draft>();

function writing(branch: Branch, say: Words, acts: ListActs, send: (act: () => Promise<unknown>) => Promise<void>): HTMLElement {
  const form = element("form", "plan-form");
  const field = Object.assign(element("textarea"), { rows: 3, maxLength: 4000, required: true });
  field.setAttribute("aria-label", say("comment_new"));
  field.placeholder = say("comment_new");
  const told = element("span", "plan-quiet");
  const draft: Draft = { body: "", at: null, ...drafts.get(branch.id), told };
  drafts.set(branch.id, draft);
  field.value = draft.body;
  field.addEventListener("input", () => (draft.body = field.value));
  told.textContent = draft.at ? say("drawn_done") : "";
  const pin = button(say("comment_pin"), () => void acts.point().then((place) => {
    const now = drafts.get(branch.id) ?? draft;
    now.at = place;
    now.told.textContent = place ? say("drawn_done") : "";
  }), "plan-act");
  const put = element("button", "plan-act plan-main", say("comment_send"));
  put.type = "submit";
  const row = element("div", "plan-acts");
  row.append(put, pin, told);
  form.append(field, row);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = field.value.trim();
    const put = async (): Promise<void> => {
      await ask(`/scenarios/${branch.id}/comments`, { body: { body, ...(draft.at ? { at: draft.at } : {}) } });
      drafts.delete(branch.id);
      field.value = "";
    };
    if (body) void send(put);
  });
  return form;
}

export function empty(text: string): HTMLElement {
  return element("p", "plan-empty", text);
}
