// The entry of the component: waits for fonts and style, makes the map, binds parameters, and says plainly what went wrong.
import { loadFonts } from "./fonts";
import { TwinMap } from "./map";
import type { MapModel } from "./model";
import { fetchStyle } from "./style";

export function render({ model }: { model: MapModel }): HTMLElement {
  const root = document.createElement("div");
  root.className = "twin-stage";
  root.dataset["theme"] = model.theme;
  const note = document.createElement("p");
  note.className = "twin-note";
  note.setAttribute("role", "status");
  note.textContent = model.texts["loading"] ?? "";
  root.append(note);
  let map: TwinMap | null = null;
  let ended = false;
  void start();
  return root;

  async function start(): Promise<void> {
    try {
      const graphics = graphicsHere();
      if (!graphics) throw new Error("no-webgl");
      const [style] = await Promise.all([fetchStyle(model.style_url), loadFonts()]);
      if (ended) return;
      map = new TwinMap(root, model, style, graphics);
      note.remove();
      bind(map);
    } catch (error) {
      const noWebGl = error instanceof Error && error.message === "no-webgl";
      note.textContent = model.texts[noWebGl ? "no_webgl" : "no_style"] ?? String(error);
      note.dataset["failed"] = "yes";
      if (!noWebGl) console.error(error);
    }
  }

  function bind(made: TwinMap): void {
    model.on("layers", () => made.states());
    model.on("filters", () => made.states());
    model.on("camera", () => made.fly());
    model.on("selected", () => made.select());
    model.on("texts", () => made.say());
    model.on("share", () => made.share());
    model.on("deck", () => made.draw());
    model.on("time", () => made.draw());
    model.on("style_url", () => void made.restyle());
    model.on("theme", () => {
      root.dataset["theme"] = model.theme;
    });
    model.on("remove", () => {
      ended = true;
      made.end();
    });
  }
}

/** What draws here: null without WebGL 2; `software` where no graphics card helps, which then draws without smoothing. */
function graphicsHere(): { software: boolean } | null {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return null;
  const renderer = String(context.getParameter(context.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? 0x1f01));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return { software: /swiftshader|llvmpipe|software/i.test(renderer) };
}

export default { render };
