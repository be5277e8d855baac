// What an operation comes to, or would: figures, rules, and how long it takes.
import { button, element } from "../parts";
import type { Answer } from "./service";
import { told, type Words } from "./words";

const SLOW_MS = 1000;

/** Figures as a list: words and amounts. */
export function figuresOf(figures: Record<string, unknown>, say: Words): HTMLElement {
  const list = element("dl", "plan-list");
  for (const [name, value] of Object.entries(figures)) {
    if (value === null || name === "zone" || typeof value === "string") continue;
    if (name === "allows" && typeof value === "object") {
      list.append(...[...figuresOf(value as Record<string, unknown>, say).children]);
      continue;
    }
    list.append(element("dt", "", say(`figure_${name}`)), element("dd", "", told(value, say)));
  }
  return list;
}

/** Whether a rule is broken by it. */
export function broken(answer: Answer, say: Words): HTMLElement {
  if (!answer.violation_count) return element("p", "plan-quiet", say("rules_kept"));
  return element("p", "plan-wrong", say("rules_broken", { count: answer.violation_count }));
}

/** A sentence about what still lacks. */
export function note(text: string): HTMLElement {
  const made = element("p", "plan-note", text);
  made.setAttribute("role", "alert");
  return made;
}

/** Says after a second that work goes on, how long by now, and lets it be called off. Gives what ends it. */
export function slow(box: HTMLElement, say: Words, off: () => void): () => void {
  const began = performance.now();
  const seconds = element("span", "plan-quiet");
  const call = button(say("cancel"), () => {
    off();
    call.disabled = true;
    call.textContent = say("cancelling");
  });
  call.className = "plan-act";
  box.replaceChildren(element("progress"), seconds, call);
  box.querySelector("progress")!.setAttribute("aria-label", say("working"));
  const timer = window.setInterval(() => {
    const passed = performance.now() - began;
    box.hidden = passed < SLOW_MS;
    seconds.textContent = say("working_for", { seconds: Math.floor(passed / 1000) });
  }, 250);
  return () => {
    window.clearInterval(timer);
    box.hidden = true;
  };
}
