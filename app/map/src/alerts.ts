// Alerts: drawn where they are, and listed with what, where, since when, how many people, and what to do.
import { ScatterplotLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import type { Alert, LiveFeed } from "./live";
import { age, button, element, figure } from "./parts";
import type { Ground, Rgb } from "./sensors";

const COLOURS: Record<string, Rgb> = { critical: [214, 40, 57], warning: [232, 130, 12], info: [77, 120, 190] };
const RANK = ["critical", "warning", "info"];

/** The open alerts, the gravest and newest first. */
export function openAlerts(feed: LiveFeed): Alert[] {
  const grave = (one: Alert): number => RANK.indexOf(one.severity);
  return [...feed.alerts.values()].sort((one, other) => grave(one) - grave(other) || Date.parse(other.since) - Date.parse(one.since));
}

export function alertLayers(alerts: Alert[], ground: Ground): Layer[] {
  const placed = alerts.filter(({ lon, lat }) => Number.isFinite(lon) && Number.isFinite(lat));
  const shared = {
    data: placed,
    billboard: true,
    radiusUnits: "pixels" as const,
    lineWidthUnits: "pixels" as const,
    stroked: true,
    getPosition: ({ lon, lat }: Alert): [number, number, number] => [lon!, lat!, ground(lon!, lat!) + 3],
  };
  const colour = (one: Alert, alpha: number): [number, number, number, number] => [...(COLOURS[one.severity] ?? COLOURS["info"]!), alpha];
  return [
    new ScatterplotLayer<Alert>({ ...shared, id: "alert-halo", getRadius: 18, getLineWidth: 2, getFillColor: (one) => colour(one, one.state === "acknowledged" ? 20 : 60), getLineColor: (one) => colour(one, 220) }),
    new ScatterplotLayer<Alert>({ ...shared, id: "alerts", pickable: true, getRadius: 7, getLineWidth: 2, getFillColor: (one) => colour(one, one.state === "acknowledged" ? 110 : 255), getLineColor: [255, 255, 255, 255] }),
  ];
}

export class AlertList {
  readonly body = element("div", "twin-alerts");
  #texts: Record<string, string> = {};
  /** What went wrong with the last acknowledgement, by alert. */
  readonly #failed = new Map<number, string>();

  constructor(
    private readonly feed: LiveFeed,
    private readonly fly: (lon: number, lat: number) => void,
  ) {}

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    this.renew();
  }

  /** Draws the list anew; the focus stays on the same alert's button. */
  renew(): void {
    const tree = this.body.getRootNode() as Document | ShadowRoot;
    const focused = (tree.activeElement as HTMLElement | null)?.dataset?.["act"];
    const open = openAlerts(this.feed);
    const list = element("ul");
    list.append(...open.map((one) => this.#row(one)));
    const nothing = element("p", "twin-empty", this.#texts[this.feed.state === "live" ? "alerts_none" : "live_lost"]);
    this.body.replaceChildren(open.length ? list : nothing);
    if (focused) this.body.querySelector<HTMLElement>(`[data-act="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(alert: Alert): HTMLElement {
    const row = element("li", "twin-alert");
    row.dataset["severity"] = alert.severity;
    row.dataset["alert"] = String(alert.id);
    const head = element("div", "twin-alert-head");
    head.append(element("strong", "", this.#texts[`alert_${alert.rule}`] ?? alert.title), element("span", "twin-severity", this.#texts[alert.severity] ?? alert.severity));
    const where = [alert.sensor, alert.district].filter(Boolean).join(", ") || alert.subject || "";
    const people = alert.people ? (this.#texts["alert_people"] ?? "").replace("{count}", figure(alert.people)).replace("{place}", alert.people_in ?? "") : "";
    const facts = [where, age(Date.now() - Date.parse(alert.since), this.#texts), people].filter(Boolean).join(" · ");
    const said = alert.advice?.[this.#texts["language"] ?? "en"] ?? alert.advice?.["en"];
    const advice = said ? (this.#texts["alert_todo"] ?? "{advice}").replace("{advice}", said) : (this.#texts[`do_${alert.severity}`] ?? "");
    row.append(head, element("p", "", alert.message), element("p", "twin-quiet", facts), element("p", "twin-todo", advice));
    const acts = element("div", "twin-acts");
    if (Number.isFinite(alert.lon) && Number.isFinite(alert.lat)) {
      const show = button(this.#texts["alert_show"] ?? "", () => this.fly(alert.lon!, alert.lat!));
      show.dataset["act"] = `show-${alert.id}`;
      acts.append(show);
    }
    if (alert.state === "acknowledged") acts.append(element("span", "twin-quiet", this.#texts["alert_seen"]));
    else {
      const seen = button(this.#texts["alert_acknowledge"] ?? "", () => void this.#acknowledge(alert));
      seen.dataset["act"] = `seen-${alert.id}`;
      acts.append(seen);
    }
    row.append(acts);
    const failed = this.#failed.get(alert.id);
    if (failed) row.append(Object.assign(element("p", "twin-failed", failed), { role: "alert" }));
    return row;
  }

  async #acknowledge(alert: Alert): Promise<void> {
    try {
      const answer = await fetch(`/alerts/${alert.id}/acknowledge`, { method: "POST" });
      if (answer.ok) {
        this.#failed.delete(alert.id);
        this.feed.alerts.set(alert.id, { ...alert, state: "acknowledged" });
      } else this.#failed.set(alert.id, this.#texts[answer.status === 401 || answer.status === 403 ? "alert_forbidden" : "alert_failed"] ?? "");
    } catch {
      this.#failed.set(alert.id, this.#texts["alert_failed"] ?? "");
    }
    this.renew();
  }
}
