// The line over the table: what is being done, what was found wanting, and what failed with a way to try again.
import { button, element } from "../parts";
import { Problem } from "./ask";

/** The narrowest bar that is seen, as a share of the whole. */
const LEAST_SHARE = 0.03;

export class Status {
  readonly root = element("div", "twin-cmp-status");

  constructor(
    private readonly texts: () => Record<string, string>,
    private readonly ended: AbortSignal,
  ) {
    this.root.setAttribute("role", "status");
  }

  /** `share` is what is done of it, 0 to 1; null: not known. */
  busy(words: string, share: number | null): void {
    const bar = element("progress");
    if (share !== null) Object.assign(bar, { max: 1, value: Math.max(share, LEAST_SHARE) });
    bar.setAttribute("aria-label", words);
    this.root.replaceChildren(bar, element("span", "", words));
  }

  say(words = ""): void {
    this.root.replaceChildren(...(words ? [element("span", "", words)] : []));
  }

  failed(error: unknown, again: () => void): void {
    if (this.ended.aborted) return;
    const texts = this.texts();
    const words = error instanceof Problem ? `${error.message} ${error.remedy}` : (texts["cmp_failed"] ?? "");
    this.root.replaceChildren(element("span", "twin-failed", words), button(texts["cmp_again"] ?? "", again));
  }
}
