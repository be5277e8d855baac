// What stands behind each tab of the panel.
import { flight } from "../controls";
import { element } from "../parts";
import type { PlanMap, PlanModel } from "../planning";
import type { Account } from "./account";
import type { Build } from "./build";
import type { Hand } from "./hand";
import { changes, history, rules, talk, type ListActs } from "./lists";
import { review, type Rights } from "./review";
import type { Branch } from "./service";
import type { Tab } from "./tabs";
import type { Words } from "./words";

export interface PaneFrom {
  build: Build;
  acts: ListActs;
  /** A step of the review was taken. */
  stepped(words: string): Promise<void>;
}

/** The body of a tab; throws a Refusal where the service gives none. */
export async function pane(tab: Tab, branch: Branch, account: Account, actor: Rights, say: Words, from: PaneFrom): Promise<HTMLElement> {
  if (tab === "changes") return changes(account.differences, say, from.acts);
  if (tab === "rules") return rules(account.violations, say, from.acts);
  if (tab === "history") return history(branch, say, (name) => from.build.named(name));
  if (tab === "talk") return talk(branch, account.comments, actor.plan, say, from.acts);
  if (tab === "review") return review(branch, actor, say, from.stepped);
  if (actor.plan && branch.state === "draft") return from.build.root;
  return element("p", "plan-empty", say(actor.plan ? "not_draft" : "may_not", { state: say(`state_${branch.state}`) }));
}

/** What the entries of a list do on the map. */
export function listActs(on: PlanMap, hand: Hand, model: PlanModel, rest: Pick<ListActs, "changed" | "layer">): ListActs {
  return {
    ...rest,
    go: (box) => {
      model.aside = true;
      on.map.fitBounds(box, { padding: 120, maxZoom: 17.5, duration: flight() / 2, pitch: on.map.getPitch() });
    },
    point: async () => {
      const shape = await hand.draw("point");
      return shape ? (shape.coordinates as [number, number]) : null;
    },
  };
}
