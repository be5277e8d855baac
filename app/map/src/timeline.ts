// Time as something one touches: a span up to now, a slider over its frames, play, and back to the stream.
import type { Sensor } from "./live";
import { button, clock, element } from "./parts";
import type { SensorSource } from "./sensors";

const SPANS: Record<string, number> = { day: 86_400_000, week: 7 * 86_400_000, month: 30 * 86_400_000, year: 365 * 86_400_000 };
const FRAME_MS = 250;
const CALM_FRAME_MS = 1200;
/** A frame without a value shows the one before, up to so many back; then the sensor is silent. */
const CARRIED = 3;

interface Stream {
  id: string;
  fid: number;
  lon: number;
  lat: number;
  origin: string;
  phenomenon: string;
  unit: string;
  values: (number | null)[];
  path?: ([number, number] | null)[];
}

export interface Frames {
  width_s: number;
  times: number[];
  streams: Stream[];
}

/** The sensors as they stood in one frame. */
export function sensorsAt(frames: Frames, index: number): SensorSource {
  const sensors = new Map<string, Sensor>();
  for (const stream of frames.streams) {
    let back = 0;
    while (back <= index && back < frames.times.length && stream.values[index - back] == null) back += 1;
    const value = stream.values[index - back];
    if (value == null) continue;
    const known = sensors.get(stream.id);
    const spot = lastOf(stream.path, index) ?? (known ? [known.lon, known.lat] : [stream.lon, stream.lat]);
    const { id, fid, origin, phenomenon, unit } = stream;
    const time = new Date((frames.times[index - back]! + (back <= CARRIED ? (back + 1) * frames.width_s : frames.width_s)) * 1000).toISOString();
    const readings = { ...known?.readings, [phenomenon]: `${value} ${unit}`.trim() };
    sensors.set(id, { id, fid, origin, phenomenon, unit, lon: spot[0]!, lat: spot[1]!, value, time, quality: "good", readings });
  }
  return { sensors, heard: new Map(), before: new Map(), now: (frames.times[index]! + frames.width_s) * 1000 };
}

function lastOf(path: Stream["path"], index: number): [number, number] | null {
  for (let at = index; path && at >= 0; at -= 1) if (path[at]) return path[at];
  return null;
}

export class Timeline {
  readonly root = element("div", "twin-time");
  /** The sensors of the chosen moment; null: now, as the stream says. */
  source: SensorSource | null = null;
  #frames: Frames | null = null;
  #index = -1;
  #playing = 0;
  #texts: Record<string, string> = {};
  readonly #play = button("▶", () => this.#toggle(), "twin-step");
  readonly #span = element("select", "twin-span");
  readonly #slider = element("input", "twin-slider");
  readonly #label = element("output", "twin-moment");
  readonly #now = button("", () => this.goNow(), "twin-now");
  #asking: AbortController | null = null;

  /** `changed` draws the map again and tells the moment: RFC 3339, or empty for now. */
  constructor(
    private readonly changed: (moment: string) => void,
    private readonly calm: boolean,
  ) {
    this.root.setAttribute("role", "group");
    Object.assign(this.#slider, { type: "range", min: "0", max: "1", value: "1", step: "1" });
    for (const name of Object.keys(SPANS)) this.#span.append(Object.assign(element("option"), { value: name }));
    this.#slider.addEventListener("input", () => void this.#slid());
    this.#span.addEventListener("change", () => void this.#load(1));
    this.root.append(this.#play, this.#span, this.#slider, this.#now, this.#label);
    this.#show();
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    this.root.setAttribute("aria-label", texts["time"] ?? "");
    this.#slider.setAttribute("aria-label", texts["time"] ?? "");
    this.#span.setAttribute("aria-label", texts["span"] ?? "");
    this.#now.textContent = texts["now"] ?? "";
    for (const option of this.#span.options) option.textContent = texts[`span_${option.value}`] ?? option.value;
    this.#show();
  }

  /** Goes to a moment that an address named; empty: now. */
  async go(moment: string): Promise<void> {
    const wanted = Date.parse(moment);
    if (!Number.isFinite(wanted)) return this.goNow();
    if (this.#index >= 0 && this.#moment() === moment) return;
    const ago = Date.now() - wanted;
    this.#span.value = Object.entries(SPANS).find(([, length]) => ago <= length)?.[0] ?? "year";
    await this.#load(1);
    const times = this.#frames?.times ?? [];
    const index = times.findLastIndex((time) => time * 1000 <= wanted);
    if (times.length) this.#set(Math.max(0, index));
  }

  goNow(): void {
    this.#stop();
    if (this.#index < 0) return;
    this.#index = -1;
    this.source = null;
    this.#show();
    this.changed("");
  }

  end(): void {
    this.#stop();
    this.#asking?.abort();
  }

  async #slid(): Promise<void> {
    const part = Number(this.#slider.value) / Number(this.#slider.max);
    if (!this.#frames) return this.#load(part);
    this.#stop();
    this.#choose(part);
  }

  #choose(part: number): void {
    const count = this.#frames?.times.length ?? 0;
    const index = Math.round(part * count);
    if (index >= count) this.goNow();
    else this.#set(index);
  }

  async #load(part: number): Promise<void> {
    this.#asking?.abort();
    this.#asking = new AbortController();
    this.root.dataset["state"] = "busy";
    this.#label.textContent = this.#texts["time_busy"] ?? "";
    const since = new Date(Date.now() - SPANS[this.#span.value]!).toISOString();
    try {
      const answer = await fetch(`/live/frames?since=${since}`, { signal: this.#asking.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      this.#frames = (await answer.json()) as Frames;
    } catch {
      if (this.#asking.signal.aborted) return;
      this.#frames = null;
      this.root.dataset["state"] = "failed";
      this.#label.textContent = this.#texts["time_failed"] ?? "";
      return;
    }
    delete this.root.dataset["state"];
    this.#slider.max = String(Math.max(1, this.#frames.times.length));
    this.#slider.value = String(part * Number(this.#slider.max));
    if (this.#frames.times.length) this.#choose(part);
    this.#show();
    if (!this.#frames.times.length) this.#label.textContent = this.#texts["time_none"] ?? "";
  }

  #set(index: number): void {
    this.#index = index;
    this.source = sensorsAt(this.#frames!, index);
    this.#show();
    this.changed(this.#moment());
  }

  #moment(): string {
    return new Date(this.#frames!.times[this.#index]! * 1000).toISOString();
  }

  #show(): void {
    const past = this.#index >= 0 && this.#frames;
    this.#slider.value = past ? String(this.#index) : this.#slider.max;
    const words = past ? clock(this.#frames!.times[this.#index]! * 1000) : (this.#texts["now"] ?? "");
    this.#label.textContent = past ? words : `${clock(Date.now()).slice(11)} Kigali`;
    this.#slider.setAttribute("aria-valuetext", words);
    this.root.dataset["past"] = past ? "yes" : "no";
    const name = this.#texts[this.#playing ? "pause" : "play"] ?? "";
    this.#play.textContent = this.#playing ? "❚❚" : "▶";
    this.#play.title = name;
    this.#play.setAttribute("aria-label", name);
  }

  tick(): void {
    if (this.#index < 0 && !this.root.dataset["state"]) this.#show();
  }

  #toggle(): void {
    if (this.#playing) this.#stop();
    else void this.#start();
  }

  async #start(): Promise<void> {
    if (!this.#frames) await this.#load(1);
    if (!this.#frames?.times.length) return;
    if (this.#index < 0) this.#set(0);
    this.#playing = window.setInterval(() => {
      if (this.#index + 1 < this.#frames!.times.length) this.#set(this.#index + 1);
      else this.goNow();
    }, this.calm ? CALM_FRAME_MS : FRAME_MS);
    this.#show();
  }

  #stop(): void {
    window.clearInterval(this.#playing);
    this.#playing = 0;
    this.#show();
  }
}
