// How the map is opened.
import { setWorkerUrl, type MapOptions, type StyleSpecification } from "maplibre-gl";
import workerSource from "maplibre-worker-source";
import type { Camera } from "./model";

/** Rwanda and as much around it as a tilted view reaches: degrees. */
const BOUNDS: [[number, number], [number, number]] = [
  [26.5, -5.2],
  [33.3, 1.4],
];

setWorkerUrl(URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" })));

export function optionsOf(container: HTMLElement, camera: Camera, style: StyleSpecification, graphics: { software: boolean }): MapOptions {
  return {
    container,
    style,
    center: [camera.longitude, camera.latitude],
    zoom: camera.zoom,
    pitch: camera.pitch,
    bearing: camera.bearing,
    maxPitch: 75,
    minZoom: 6,
    maxBounds: BOUNDS,
    attributionControl: { compact: true },
    // Names of places come from one overzoomed tile: split, each part would repeat them.
    zoomLevelsToOverscale: undefined,
    fadeDuration: 150,
    canvasContextAttributes: { antialias: !graphics.software },
  };
}
