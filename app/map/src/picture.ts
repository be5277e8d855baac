// The map as a picture: what MapLibre drew, what deck.gl drew over it, and where the data come from.
import type { Map as MapLibre } from "maplibre-gl";

const LINE_PX = 22;

export function pictureOf(map: MapLibre, root: HTMLElement): Promise<Blob | null> {
  return new Promise((resolve) => {
    // Within the frame in which it was drawn the canvas still holds it.
    map.once("render", () => {
      const below = map.getCanvas();
      const made = document.createElement("canvas");
      made.width = below.width;
      made.height = below.height;
      const context = made.getContext("2d")!;
      context.drawImage(below, 0, 0);
      for (const over of root.querySelectorAll<HTMLCanvasElement>(".twin-canvas canvas"))
        if (over !== below && over.width) context.drawImage(over, 0, 0, made.width, made.height);
      const words = root.querySelector(".maplibregl-ctrl-attrib-inner")?.textContent ?? "";
      const scale = below.width / below.clientWidth;
      context.fillStyle = "#ffffffd9";
      context.fillRect(0, made.height - LINE_PX * scale, made.width, LINE_PX * scale);
      context.fillStyle = "#3d4450";
      context.font = `${11 * scale}px Inter, system-ui, sans-serif`;
      context.fillText(`${words} · ${location.host} · ${new Date().toISOString().slice(0, 16)}Z`, 8 * scale, made.height - 7 * scale, made.width - 16 * scale);
      made.toBlob(resolve, "image/png");
    });
    map.triggerRepaint();
  });
}
