// Which branch: chosen from a list, or made anew from the base or from another; and who may not plan is told how to.
import { button, element } from "../parts";
import { ask, type Branch } from "./service";
import { refusal, type Words } from "./words";

const COLOURS = ["#7048e8", "#0b7285", "#c2255c", "#2b8a3e", "#d9480f", "#364fc7"];

export interface HeadActs {
  choose(id: number): void;
  made(branch: Branch): Promise<void>;
}

export class Head {
  readonly root = element("div", "plan-head");
  readonly #notice = element("div");
  #shown = 0;
  #told = "";

  constructor(
    private readonly say: Words,
    private readonly acts: HeadActs,
  ) {}

  /** Which branches there are and which is open; what stands already keeps its focus. */
  show(branches: Branch[], branch: Branch | null, mayPlan: boolean): void {
    const { say } = this;
    const told = JSON.stringify([[branch, ...branches].map((one) => one && [one.id, one.name, one.state]), mayPlan, say("branch")]);
    if (told === this.#told) return;
    this.#told = told;
    if (this.#shown !== (branch?.id ?? 0)) this.#notice.replaceChildren();
    this.#shown = branch?.id ?? 0;
    const select = element("select", "plan-branches");
    select.append(new Option(say("base_long"), "0"));
    for (const one of branches) select.append(new Option(`${one.name} · ${say(`state_${one.state}`)} · ${one.author}`, String(one.id)));
    if (branch && !branches.some(({ id }) => id === branch.id)) select.append(new Option(branch.name, String(branch.id)));
    select.value = String(branch?.id ?? 0);
    select.addEventListener("change", () => this.acts.choose(Number(select.value)));
    const label = element("label", "plan-line");
    label.append(element("span", "plan-label", say("branch")), select);
    this.root.replaceChildren(label, this.#notice);
    if (mayPlan) {
      const made = button(say("branch_new"), () => this.#form(branches, branch), branch ? "plan-act" : "plan-act plan-main");
      made.dataset["new"] = "branch";
      this.root.insertBefore(made, this.#notice);
    } else this.root.append(signIn(say));
    if (mayPlan && !branch) this.root.append(element("p", "plan-empty", say(branches.length ? "branch_choose" : "branch_first")));
    if (branch && branch.state !== "draft" && mayPlan) this.root.append(element("p", "plan-empty", say("not_draft", { state: say(`state_${branch.state}`) })));
  }

  /** Says that a branch of the address is not there, and what to do. */
  missing(id: number): void {
    this.#notice.replaceChildren(notice(this.say("branch_missing", { id }), this.say("branch_missing_remedy")));
  }

  #form(branches: Branch[], branch: Branch | null): void {
    const { say } = this;
    const form = element("form", "plan-form plan-new");
    const name = Object.assign(element("input"), { type: "text", required: true, maxLength: 200 });
    const parent = element("select");
    parent.append(new Option(say("base_long"), "0"), ...branches.map((one) => new Option(one.name, String(one.id))));
    parent.value = String(branch?.id ?? 0);
    const colour = Object.assign(element("input"), { type: "color", value: COLOURS[branches.length % COLOURS.length] });
    const line = (label: string, field: HTMLElement): HTMLElement => {
      const made = element("label", "plan-line");
      made.append(element("span", "plan-label", label), field);
      return made;
    };
    const put = element("button", "plan-act plan-main", say("branch_make"));
    put.type = "submit";
    const acts = element("div", "plan-acts");
    acts.append(put, button(say("back"), () => form.remove(), "plan-act"));
    const result = element("div");
    form.append(line(say("field_name"), name), line(say("branch_from"), parent), line(say("branch_colour"), colour), acts, result);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void (async () => {
        try {
          const from = Number(parent.value);
          const made = await ask<Branch>("/scenarios", { body: { name: name.value.trim(), colour: colour.value, ...(from ? { parent: from } : {}) } });
          await this.acts.made(made);
        } catch (error) {
          result.replaceChildren(refusal(error, say));
        }
      })();
    });
    this.#notice.replaceChildren(form);
    name.focus();
  }
}

function signIn(say: Words): HTMLElement {
  const box = notice(say("may_not"), say("sign_in_how"));
  box.classList.add("plan-sign-in");
  return box;
}

function notice(what: string, remedy: string): HTMLElement {
  const box = element("div", "plan-refusal");
  box.setAttribute("role", "alert");
  box.append(element("p", "plan-wrong", what), element("p", "plan-remedy", `→ ${remedy}`));
  return box;
}
