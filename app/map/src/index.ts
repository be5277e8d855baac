// The entry of the component where it stands alone, as in a notebook: everything in one file.
import type { MapModel } from "./model";
import { openStage } from "./stage";

export function render({ model }: { model: MapModel }): HTMLElement {
  const stage = openStage(model, { deep: true });
  model.on("remove", () => stage.end());
  return stage.root;
}

export default { render };
