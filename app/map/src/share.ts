// Sharing a view: its link, a picture, its features as a GeoPackage, and an <iframe> for another page.
import { readPackage, type PackageTold } from "./package";
import { button, element, figure, labelled } from "./parts";

export interface ShareFrom {
  texts(): Record<string, string>;
  /** The map as it stands, with what is drawn over it. */
  picture(): Promise<Blob | null>;
  layers(): string[];
  title(layer: string): string;
  bounds(): [number, number, number, number];
}

export class SharePanel {
  readonly body = element("div", "twin-share");
  readonly #status = element("p", "twin-quiet");

  constructor(private readonly from: ShareFrom) {
    this.#status.setAttribute("role", "status");
  }

  show(): void {
    const texts = this.from.texts();
    const link = Object.assign(element("input"), { type: "text", readOnly: true, value: location.href });
    const frame = Object.assign(element("input"), { type: "text", readOnly: true, value: embedded(location.href) });
    for (const field of [link, frame]) field.addEventListener("focus", () => field.select());
    const row = (label: string, field: HTMLInputElement, act: string): HTMLElement => {
      const line = element("div", "twin-row");
      line.append(labelled(label, field), button(act, () => void this.#copy(field)));
      return line;
    };
    const files = element("div", "twin-acts");
    files.append(
      button(texts["share_png"] ?? "", () => void this.#work(() => this.#picture())),
      button(texts["share_gpkg"] ?? "", () => void this.#work(() => this.#package())),
    );
    this.#status.textContent = "";
    this.body.replaceChildren(
      row(texts["share_link"] ?? "", link, texts["copy"] ?? ""),
      row(texts["share_embed"] ?? "", frame, texts["copy"] ?? ""),
      files,
      element("p", "twin-quiet", texts["share_note"]),
      this.#status,
    );
  }

  async #copy(field: HTMLInputElement): Promise<void> {
    const texts = this.from.texts();
    try {
      await navigator.clipboard.writeText(field.value);
      this.#status.textContent = texts["copied"] ?? "";
    } catch {
      // No clipboard without https: the text is selected for the viewer to copy.
      field.focus();
      field.select();
      this.#status.textContent = texts["copy_self"] ?? "";
    }
  }

  async #work(act: () => Promise<string>): Promise<void> {
    const texts = this.from.texts();
    this.#status.textContent = texts["share_busy"] ?? "";
    try {
      this.#status.textContent = texts[await act()] ?? "";
    } catch {
      this.#status.textContent = texts["share_failed"] ?? "";
    }
  }

  async #picture(): Promise<string> {
    const picture = await this.from.picture();
    if (!picture) return "share_failed";
    save(picture, "twin-view.png");
    return "share_saved";
  }

  async #package(): Promise<string> {
    const query = new URLSearchParams({ layers: this.from.layers().join(","), bbox: this.from.bounds().map((one) => one.toFixed(6)).join(","), progress: "true" });
    const answer = await fetch(`/export.gpkg?${query}`);
    if (answer.status === 404) return "share_nothing";
    if (!answer.ok) return "share_failed";
    const file = await readPackage(answer, (told) => this.#told(told));
    if (!file) return "share_nothing";
    save(file, "twin-view.gpkg");
    return "share_saved";
  }

  #told(told: PackageTold): void {
    const text = (name: string): string => this.from.texts()[name] ?? "";
    this.#status.textContent =
      told.bytes === undefined
        ? text("share_layer").replace("{layer}", this.from.title(told.layer!)).replace("{at}", String(told.at)).replace("{of}", String(told.of)).replace("{features}", figure(told.features!))
        : text("share_coming").replace("{part}", (told.come! / 1e6).toFixed(1)).replace("{whole}", (told.bytes / 1e6).toFixed(1));
  }
}

/** The element that shows the same view within another page, without panels. */
export function embedded(address: string): string {
  const url = new URL(address);
  url.searchParams.set("embed", "1");
  const source = url.href.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<iframe src="${source}" width="100%" height="480" style="border:0" title="Twin of Rwanda" loading="lazy"></iframe>`;
}

function save(blob: Blob, name: string): void {
  const link = element("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
