// Where the twin is, and what it says of the layers that a page shows. The page names neither; both come with the address.
const asked = new URLSearchParams(location.search);

/** The twin's address: ?twin=https://… in the page's own address, else this machine's usual one. */
export const twin = (asked.get("twin") ?? "http://127.0.0.1:8000").replace(/\/+$/, "");

/** A path of the twin as an address. With ?sig= in the page's own address it is signed, for readers without a token; placeholders stay. */
export function signed(path) {
  const sig = asked.get("sig");
  return `${twin}${path}${sig ? `${path.includes("?") ? "&" : "?"}sig=${encodeURIComponent(sig)}` : ""}`;
}

/** Where the map begins: ?at=lon,lat,zoom, else Kigali. */
export const [lon, lat, zoom] = (asked.get("at") ?? "30.06,-1.95,12").split(",").map(Number);

/** What the pages draw, lowest first: layer, colour, and how it is named in the key. */
export const drawn = [
  { layer: "land.lakes", fill: "#a9cfe3", line: "#7fb3cf", name: "Lakes" },
  { layer: "land.districts", line: "#8d6e9e", name: "District borders" },
  { layer: "infrastructure.waterways", line: "#7fb3cf", name: "Rivers" },
  { layer: "infrastructure.roads", line: "#d99a2b", name: "Roads" },
  { layer: "infrastructure.buildings", fill: "#b9aea0", line: "#978a7a", name: "Buildings, from zoom 14" },
];
export const names = drawn.map((one) => one.layer);

/** A description from the twin as JSON; throws with words that a person can read. */
export async function read(path) {
  let answer;
  try {
    answer = await fetch(signed(path), { credentials: "omit" });
  } catch {
    throw new Error(`No twin answers at ${twin}. Add ?twin= and its address to this page's own.`);
  }
  if (!answer.ok) throw new Error(`The twin answers ${answer.status} to ${path}.`);
  return answer.json();
}

/** Fill the card: its key, if it has one, and the origins of everything that is drawn. Gives the attribution of the sources. */
export async function describe() {
  const { layers } = await read("/layers");
  const shown = layers.filter((one) => names.includes(one.name));
  const origins = [...new Set(shown.flatMap((one) => one.origins))].sort();
  const marks = document.querySelector(".marks");
  marks.replaceChildren(...origins.map((origin) => made("span", `mark ${origin}`, origin)));
  document.querySelector(".key")?.replaceChildren(
    ...drawn.map((one) => {
      const row = made("li", "", "");
      const patch = made("i", "", "");
      patch.style.background = one.fill ?? one.line;
      row.append(patch, one.name);
      return row;
    }),
  );
  const sources = shown.flatMap((one) => one.sources.map((source) => source.attribution));
  return ["Twin of Rwanda", ...new Set(sources.filter(Boolean))].map(plain).join(" · ");
}

/** Say on the card what went wrong. */
export function complain(error) {
  const line = document.querySelector(".card .wrong") ?? made("p", "wrong", "");
  line.textContent = error.message ?? String(error);
  document.querySelector(".card").append(line);
}

function made(tag, kind, text) {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  return element;
}

function plain(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element.innerHTML;
}
