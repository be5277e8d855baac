// One family per weight, because a style without glyphs names families, not weights.
import { at } from "./home";

const MAP_FAMILIES: [family: string, weight: number][] = [
  ["Inter", 400],
  ["Inter Medium", 500],
];
/** The page's own text, beside 400; fetched when first used. */
const PAGE_WEIGHTS = [500, 600];
const SUBSETS: [subset: string, range: string][] = [
  ["latin", "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212"],
  ["latin-ext", "U+0100-02BA,U+1E00-1E9F,U+1EF2-1EFF,U+2C60-2C7F,U+A720-A7FF"],
];

let loading: Promise<void> | null = null;

/** Registers the fonts the twin serves under /fonts, once; resolves when the map's latin ones are there or have failed. */
export function fontsReady(): Promise<void> {
  return (loading ??= loadFonts());
}

async function loadFonts(): Promise<void> {
  const wanted: Promise<unknown>[] = [];
  for (const [subset, unicodeRange] of SUBSETS) {
    const face = (family: string, weight: number, descriptors: FontFaceDescriptors): FontFace => {
      const made = new FontFace(family, `url(${at(`/fonts/inter-${subset}-${weight}-normal.woff2`)})`, { unicodeRange, ...descriptors });
      document.fonts.add(made);
      return made;
    };
    for (const [family, weight] of MAP_FAMILIES) {
      const made = face(family, weight, {});
      if (subset === "latin") wanted.push(made.load());
    }
    for (const weight of PAGE_WEIGHTS) face("Inter", weight, { weight: String(weight) });
  }
  await Promise.allSettled(wanted);
}
