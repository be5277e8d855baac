// The buttons on the map and the strip below it. Words come from Python's catalogues.
import type { Map as MapLibre } from "maplibre-gl";
import type { LiveFeed } from "./live";
import type { Camera } from "./model";

const KIGALI: Camera = { longitude: 30.0605, latitude: -1.9475, zoom: 15.4, pitch: 50, bearing: 20 };
const COUNTRY: Camera = { longitude: 29.92, latitude: -1.98, zoom: 7.9, pitch: 0, bearing: 0 };
const FLIGHT_MS = 1600;
const LIGHT_TILT = 50;

const ICONS: Record<string, string> = {
  zoom_in: "M12 5v14M5 12h14",
  zoom_out: "M5 12h14",
  north: "M12 3l5 9h-10zM7 12l5 9 5-9",
  home: "M4 11l8-7 8 7M6 10v9h12v-9",
  country: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
};

export function flight(): number {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : FLIGHT_MS;
}

export function flyTo(map: MapLibre, camera: Camera): void {
  map.flyTo({
    center: [camera.longitude, camera.latitude],
    zoom: camera.zoom,
    pitch: camera.pitch,
    bearing: camera.bearing,
    duration: camera.duration ?? flight(),
  });
}

export class Controls {
  readonly root = element("div", "twin-controls");
  readonly #buttons = new Map<string, HTMLButtonElement>();
  #texts: Record<string, string> = {};

  constructor(map: MapLibre, setTerrain: (on: boolean) => void) {
    this.root.setAttribute("role", "toolbar");
    const groups: [string, () => void][][] = [
      [
        ["zoom_in", () => map.zoomIn()],
        ["zoom_out", () => map.zoomOut()],
      ],
      [
        ["north", () => map.easeTo({ bearing: 0 })],
        ["tilt", () => this.#tilt(map, setTerrain)],
      ],
      [
        ["home", () => flyTo(map, KIGALI)],
        ["country", () => flyTo(map, COUNTRY)],
      ],
    ];
    for (const group of groups) {
      const box = element("div", "twin-group");
      for (const [name, act] of group) {
        const button = element("button", `twin-button twin-${name}`);
        button.type = "button";
        if (ICONS[name]) button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
        button.addEventListener("click", act);
        this.#buttons.set(name, button);
        box.append(button);
      }
      this.root.append(box);
    }
    const turn = () => {
      const arrow = this.#buttons.get("north")!.firstElementChild as SVGElement;
      arrow.style.transform = `rotate(${-map.getBearing()}deg)`;
      this.#buttons.get("tilt")!.textContent = map.getPitch() > 5 ? "2D" : "3D";
      this.#name("tilt");
    };
    map.on("rotate", turn);
    map.on("pitch", turn);
    turn();
  }

  say(texts: Record<string, string>): void {
    this.root.setAttribute("aria-label", texts["map_controls"] ?? "");
    this.#texts = texts;
    for (const name of this.#buttons.keys()) this.#name(name);
  }

  /** The name begins with what stands on the button, so that a voice finds it (WCAG 2.5.3). */
  #name(name: string): void {
    const button = this.#buttons.get(name)!;
    const words = this.#texts[name] ?? name;
    button.title = words;
    button.setAttribute("aria-label", button.textContent ? `${button.textContent} ${words}` : words);
  }

  #tilt(map: MapLibre, setTerrain: (on: boolean) => void): void {
    const flat = map.getPitch() > 5;
    setTerrain(!flat);
    map.easeTo({ pitch: flat ? 0 : LIGHT_TILT, duration: flight() / 2 });
  }
}

/** The strip along the lower edge: the live stream's state, what is not observed among what is shown; the desk adds time and tools. */
export class Strip {
  readonly root = element("div", "twin-strip");
  readonly #live = element("span", "twin-live");
  readonly #marks = element("span", "twin-marks");
  #texts: Record<string, string> = {};

  constructor() {
    this.root.append(this.#live, this.#marks);
    this.#live.setAttribute("role", "status");
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    this.#marks.textContent = texts["marks"] ?? "";
  }

  live(feed: LiveFeed): void {
    const words = this.#texts[`live_${feed.state}`] ?? "";
    const count = feed.sensors.size;
    this.#live.dataset["state"] = feed.state;
    const mark = feed.isSimulated() ? " ◇" : "";
    this.#live.textContent = feed.state === "live" && !count ? "" : feed.state === "live" ? `${words.replace("{count}", String(count))}${mark}` : words;
    this.#live.title = mark ? `${this.#live.textContent} ${this.#texts["simulated"] ?? ""}` : "";
    this.#live.hidden = feed.state === "off";
  }
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
