// Whether the planner is still signed in: where the session has ended, the panel says so and nothing that was drawn is lost.
import { button, element } from "../parts";
import { ask, Refusal } from "./service";
import type { Words } from "./words";

export class Session {
  readonly root = element("div", "plan-session");
  #asking = false;

  constructor(
    private readonly say: Words,
    /** Who the page was opened by; null: nobody who plans. */
    private readonly name: () => string | null,
    /** Signed in again: all is asked anew. */
    private readonly back: () => void,
  ) {}

  /** Asks who it is where an answer was such as a stranger gets; an ended session is said. */
  async doubt(error: unknown): Promise<void> {
    if (!(error instanceof Refusal) || ![401, 403, 404].includes(error.status)) return;
    if (this.#asking || this.name() === null) return;
    this.#asking = true;
    const who = await this.#who().finally(() => (this.#asking = false));
    if (who === null) this.#tell(false);
  }

  /** The name of who is signed in; null: nobody; undefined: the service does not say. */
  async #who(): Promise<string | null | undefined> {
    return ask<{ name: string; tenant: string | null }>("/whoami").then(({ name, tenant }) => (tenant === null ? null : name), () => undefined);
  }

  #tell(again: boolean): void {
    const box = element("div", "plan-refusal");
    box.setAttribute("role", "alert");
    const on = button(this.say("session_go_on"), () => void this.#goOn(), "plan-act plan-main");
    box.append(element("p", "plan-wrong", this.say(again ? "session_still" : "session_ended")), element("p", "plan-remedy", `→ ${this.say("session_how")}`), on);
    this.root.replaceChildren(box);
    if (again) on.focus();
  }

  async #goOn(): Promise<void> {
    const who = await this.#who();
    if (!who) return this.#tell(true);
    // Somebody else has other rights: the page begins anew, and offers what was kept.
    if (who !== this.name()) return location.reload();
    this.root.replaceChildren();
    this.back();
  }
}
