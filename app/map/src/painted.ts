// When the first frame stands: what a viewer waits for, and what the bench of the page measures.
import type { Map as MapLibre } from "maplibre-gl";

const BOUNDARIES = "land.districts:fill";

/** Resolves when the boundaries stand on the canvas, and says so on the element: `data-painted`, milliseconds since the page
 * began. Without boundaries the first idle moment counts. */
export function whenPainted(map: MapLibre, root: HTMLElement): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      map.off("render", look);
      map.off("idle", done);
      root.dataset["painted"] = performance.now().toFixed(0);
      resolve();
    };
    const look = (): void => {
      if (map.getLayer(BOUNDARIES) && map.queryRenderedFeatures({ layers: [BOUNDARIES] }).length) done();
    };
    map.on("render", look);
    map.on("idle", done);
  });
}
