// The state of the map in the page's address, so that a view can be shared and comes back after a reload.
import type { Map as MapLibre } from "maplibre-gl";
import type { Viewport } from "./model";

/** Writes the camera and the shared values (layers, language, theme, selection) into the query; history is not grown. */
export function writeAddress(map: MapLibre, share: Record<string, string>): void {
  const { lng, lat } = map.getCenter();
  const camera = [lng.toFixed(5), lat.toFixed(5), map.getZoom().toFixed(2), map.getPitch().toFixed(0), map.getBearing().toFixed(0)];
  const query = new URLSearchParams(location.search);
  query.set("at", camera.join(","));
  for (const [key, value] of Object.entries(share))
    if (value) query.set(key, value);
    else query.delete(key);
  const readable = query.toString().replaceAll("%2C", ",").replaceAll("%2F", "/");
  history.replaceState(history.state, "", `${location.pathname}?${readable}${location.hash}`);
}

/** Where the map looks, and what of the ground it shows. */
export function viewportOf(map: MapLibre): Viewport {
  const { lng, lat } = map.getCenter();
  const view = map.getBounds();
  return {
    longitude: lng,
    latitude: lat,
    zoom: map.getZoom(),
    pitch: map.getPitch(),
    bearing: map.getBearing(),
    bounds: [view.getWest(), view.getSouth(), view.getEast(), view.getNorth()],
  };
}
