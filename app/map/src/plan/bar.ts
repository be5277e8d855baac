// The bar over the map: which branch is looked at, undo, redo, and what was done last.
import { isForAnother } from "../keys";
import { button, element } from "../parts";
import type { Branch } from "./service";
import type { Words } from "./words";

/** The move that a key stands for; null where it is typed into a field, or another key. */
export function moveOf(event: KeyboardEvent): "undo" | "redo" | null {
  if (event.key.toLowerCase() !== "z" || isForAnother(event)) return null;
  return event.key === "Z" || event.shiftKey ? "redo" : "undo";
}

export class Bar {
  readonly root = element("div", "plan-bar");
  readonly #name = element("span", "plan-name");
  readonly #undo: HTMLButtonElement;
  readonly #redo: HTMLButtonElement;
  readonly #done = element("p", "plan-done");

  constructor(
    private readonly say: Words,
    acts: { undo(): void; redo(): void },
  ) {
    this.#undo = button("", acts.undo, "plan-undo");
    this.#redo = button("", acts.redo, "plan-redo");
    this.root.setAttribute("role", "toolbar");
    this.#done.setAttribute("role", "status");
    this.root.append(this.#name, this.#undo, this.#redo, this.#done);
  }

  show(branch: Branch | null, { active, plans, working }: { active: boolean; plans: boolean; working: boolean }): void {
    this.root.hidden = !active && !branch;
    this.root.setAttribute("aria-label", this.say("bar"));
    this.#name.replaceChildren();
    if (branch) {
      const dot = element("i", "plan-dot");
      dot.style.background = branch.colour;
      this.#name.append(dot, element("b", "", branch.name), element("span", "plan-state", this.say(`state_${branch.state}`)));
    } else this.#name.append(element("b", "", this.say("base")));
    const edits = active && plans && branch !== null;
    for (const [made, word, sign] of [[this.#undo, "undo", "↶"], [this.#redo, "redo", "↷"]] as const) {
      made.hidden = !edits;
      made.disabled = working || branch?.state !== "draft";
      made.textContent = word === "undo" ? `${sign} ${this.say(word)}` : sign;
      made.title = this.say(`${word}_how`);
      made.setAttribute("aria-label", this.say(word));
    }
  }

  /** Says what was done, or what could not be. */
  tell(words: string, wrong = false): void {
    this.#done.textContent = words;
    this.#done.classList.toggle("plan-wrong", wrong);
  }
}
