// One stage: the element that holds a map, opened with a model, and handed on to another model if the page comes later.
import { fontsReady } from "./fonts";
import { showTables } from "./flat";
import { TwinMap } from "./map";
import type { MapModel } from "./model";
import type { PlanMap } from "./planning";
import { settle } from "./home";
import { fetchStyle } from "./style";

export interface Stage {
  readonly root: HTMLElement;
  /** Resolves when the boundaries stand on the canvas, or when there will be no map. */
  readonly painted: Promise<void>;
  /** The map as a workbench knows it, once it stands; null where there is none. */
  plan(): Promise<PlanMap | null>;
  /** Follows another model from now on. */
  adopt(model: MapModel): void;
  end(): void;
}

/** Opens a map for a model; says plainly on the stage what went wrong. `deep`: terrain, buildings and overlay follow at once. */
export function openStage(first: MapModel, { deep }: { deep: boolean }): Stage {
  let model = first;
  let map: TwinMap | null = null;
  let ended = false;
  settle(model.style_url);
  const root = document.createElement("div");
  root.className = "twin-stage";
  root.dataset["theme"] = model.theme;
  const note = document.createElement("p");
  note.className = "twin-note";
  note.setAttribute("role", "status");
  note.textContent = model.texts["loading"] ?? "";
  root.append(note);
  const painted = start();
  bind(model);
  return { root, painted, plan, adopt, end };

  async function plan(): Promise<PlanMap | null> {
    await painted;
    await map?.deepen();
    return map?.asPlan() ?? null;
  }

  async function start(): Promise<void> {
    try {
      const graphics = graphicsHere();
      if (!graphics) throw new Error("no-webgl");
      void fontsReady();
      const style = await fetchStyle(model.style_url, model.style);
      if (ended) return;
      map = new TwinMap(root, model, style, graphics);
      root.dataset["map"] = "yes";
      // Never an empty map: where nothing is loaded, the note stays and says what to do.
      if (model.texts["empty"]) note.textContent = model.texts["empty"];
      else note.remove();
      await map.painted;
      if (deep) void map.deepen();
    } catch (error) {
      const noWebGl = error instanceof Error && error.message === "no-webgl";
      note.textContent = model.texts[noWebGl ? "no_webgl" : "no_style"] ?? String(error);
      note.dataset["failed"] = "yes";
      if (noWebGl) void showTables(root, () => model);
      else console.error(error);
    }
  }

  function adopt(next: MapModel): void {
    model = next;
    root.dataset["theme"] = next.theme;
    bind(next);
    map?.adopt(next);
    void painted.then(() => map?.deepen());
  }

  function end(): void {
    ended = true;
    map?.end();
  }

  function bind(bound: MapModel): void {
    const on = (name: string, act: (made: TwinMap) => void): void =>
      bound.on(name, () => {
        if (map && bound === model) act(map);
      });
    on("layers", (made) => made.states());
    on("filters", (made) => made.states());
    on("camera", (made) => made.fly());
    on("selected", (made) => made.select());
    on("scenario", (made) => made.branch());
    on("texts", (made) => made.say());
    on("share", (made) => made.share());
    on("deck", (made) => made.draw());
    on("time", (made) => made.moment());
    on("flows_year", (made) => made.streams());
    on("compare", (made) => made.comparing());
    on("drawing", (made) => made.drawing());
    on("style_url", (made) => void made.restyle());
    on("theme", () => {
      root.dataset["theme"] = bound.theme;
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
