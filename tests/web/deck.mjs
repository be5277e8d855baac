// deck.gl as its makers ship it, over a tileset of the twin: Tile3DLayer and Tiles3DLoader. Only what is picked is ours:
// deck.gl picks tiles, and is told here to pick the feature that each vertex names.
import { Deck, MapView } from "@deck.gl/core";
import { Tile3DLayer } from "@deck.gl/geo-layers";
import { ScenegraphLayer } from "@deck.gl/mesh-layers";
import { Tiles3DLoader } from "@loaders.gl/3d-tiles";

const query = new URLSearchParams(location.search);
const [longitude, latitude, height] = query.get("at").split(",").map(Number);

class ByFeature extends ScenegraphLayer {
  getShaders() {
    const shaders = super.getShaders();
    const vs = shaders.vs
      .replace("in vec3 positions;", "in vec3 positions;\nin float _FEATURE_ID_0;")
      .replace("picking_getPickingColorFromInstanceID()", "picking_getPickingColorFromIndex(_FEATURE_ID_0)");
    if (!vs.includes("FromIndex(_FEATURE_ID_0)")) throw new Error("deck.gl's shader is another than the one this was written for");
    return { ...shaders, vs };
  }
}
ByFeature.layerName = "ByFeature";

class Buildings extends Tile3DLayer {
  // deck.gl 9.4 does not pick in a tile whose middle is drawn farther off than a quarter of the window, which close by is the rule.
  filterSubLayer(context) {
    return super.filterSubLayer({ ...context, isPicking: false });
  }
}
Buildings.layerName = "Buildings";

let tileset = null;
const failed = [];
const layer = new Buildings({
  id: "buildings",
  data: `${query.get("twin")}/scenes/buildings/tileset.json`,
  loader: Tiles3DLoader,
  loadOptions: { core: { worker: false } },
  pickable: true,
  _subLayerProps: { scenegraph: { type: ByFeature } },
  onTilesetLoad: (made) => (tileset = made),
  onTileError: (_, message) => failed.push(message),
});
const deck = new Deck({
  parent: document.body,
  views: new MapView({ nearZMultiplier: 0.01 }),
  initialViewState: { longitude, latitude, zoom: 16.4, pitch: 0, position: [0, 0, height] },
  layers: [layer],
  useDevicePixels: false,
});

window.look = {
  failed,
  isLoaded: () => Boolean(tileset?.isLoaded() && tileset.tiles.some((tile) => tile.content)),
  tiles: () => tileset.tiles.filter((tile) => tile.content).map((tile) => tile.contentUrl),
  /** What is picked where deck.gl draws each place: the tile's address and the feature's row, or null. */
  pick: (places) => {
    const tiles = tileset.tiles.filter((tile) => tile.content);
    return places.map((place) => tiles.map((tile) => pickedIn(tile, place)).find(Boolean) ?? null);
  },
};

function pickedIn(tile, place) {
  const [x, y] = deck.getViewports()[0].project(drawnAt(place, tile.content.cartographicOrigin));
  const found = deck.pickObject({ x, y, radius: 0 });
  return found?.sourceTile === tile ? { tile: tile.contentUrl, row: found.index } : null;
}

/** deck.gl draws a tile's metres on a sphere of 40,030 km around: on the ellipsoid, near the equator, that is 0.6 % of the way from the
 * tile's middle too short to the north and 0.1 % too long to the east. */
function drawnAt([lon, lat, height], [lon0, lat0]) {
  const sphere = 40.03e6 / (2 * Math.PI);
  const sin = Math.sin((lat0 * Math.PI) / 180);
  const across = 6378137 / Math.sqrt(1 - 0.00669438 * sin * sin);
  const along = (across * (1 - 0.00669438)) / (1 - 0.00669438 * sin * sin);
  return [lon0 + (lon - lon0) * ((across + height) / sphere), lat0 + (lat - lat0) * ((along + height) / sphere), height];
}
