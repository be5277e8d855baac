// Pins of violations and comments. Those that would lie on each other are one pin with their number, so that each can be hit.
// They are for the pointer: by keyboard the lists beside the map lead to the same, and a hundred pins are no stops on the way.
import { Marker, type Map as MapLibre } from "maplibre-gl";
import { element } from "../parts";

const APART_PX = 34;
const MOST_WORDS = 4;

export interface Pin {
  sign: string;
  kind: "rule" | "talk";
  words: string;
  at: [number, number];
  act: () => void;
}

export class Pins {
  #pins: Pin[] = [];
  #markers: Marker[] = [];
  #laid = "";
  readonly #again = (): void => this.#lay();

  constructor(private readonly map: MapLibre) {}

  /** Shows these instead of those shown before; none take all away. */
  show(pins: Pin[]): void {
    this.map.off("moveend", this.#again);
    this.#pins = pins;
    this.#laid = "";
    if (pins.length) this.map.on("moveend", this.#again);
    this.#lay();
  }

  #lay(): void {
    const groups = this.#groups();
    const laid = groups.map((group) => group.join()).join(";");
    if (laid === this.#laid && this.#markers.length === groups.length) return;
    this.#laid = laid;
    for (const marker of this.#markers) marker.remove();
    this.#markers = groups.map((group) => this.#marker(group.map((index) => this.#pins[index]!)));
  }

  /** Indices of the pins that stand together: of one kind, and close on the screen to the first of them. */
  #groups(): number[][] {
    const groups: { kind: string; x: number; y: number; members: number[] }[] = [];
    for (const [index, { kind, at }] of this.#pins.entries()) {
      const { x, y } = this.map.project(at);
      const near = groups.find((one) => one.kind === kind && Math.hypot(one.x - x, one.y - y) < APART_PX);
      if (near) near.members.push(index);
      else groups.push({ kind, x, y, members: [index] });
    }
    return groups.map(({ members }) => members);
  }

  #marker(group: Pin[]): Marker {
    const [first] = group as [Pin];
    const made = element("div", `plan-pin plan-pin-${first.kind}`);
    made.textContent = group.length > 1 ? String(group.length) : first.sign;
    made.addEventListener("click", first.act);
    const words = [...group.slice(0, MOST_WORDS).map((one) => one.words), ...(group.length > MOST_WORDS ? ["…"] : [])].join("\n");
    made.title = words;
    const marker = new Marker({ element: made, anchor: "bottom" }).setLngLat(first.at).addTo(this.map);
    made.role = "img";
    made.ariaLabel = words;
    return marker;
  }
}
