// Without WebGL 2 there is no map: every layer is read as a table on the same stage.
import type { MapModel } from "./model";
import { factsOf, fetchStyle } from "./style";

export async function showTables(root: HTMLElement, model: () => MapModel): Promise<void> {
  const { TableTwin } = await import("./table");
  const style = await fetchStyle(model().style_url, model().style).catch(() => null);
  const facts = style ? factsOf(style) : {};
  const table = new TableTwin({
    layers: () => model().layers,
    title: (layer) => facts[layer]?.title ?? layer,
    bounds: () => null,
    texts: () => model().texts,
    open: (layer, fid, properties) => (model().clicked = { layer, fid, properties, id: String(properties["id"] ?? ""), place: [0, 0] }),
  });
  root.dataset["flat"] = "yes";
  root.append(table.body);
  table.show();
  const renew = (): void => table.show();
  model().on("layers", renew);
  model().on("texts", renew);
}
