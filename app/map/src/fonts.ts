// One family per weight, because a style without glyphs names families, not weights.
const FAMILIES: [family: string, weight: number][] = [
  ["Inter", 400],
  ["Inter Medium", 500],
  ["Inter SemiBold", 600],
];
const SUBSETS: [subset: string, range: string][] = [
  ["latin", "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212"],
  ["latin-ext", "U+0100-02BA,U+1E00-1E9F,U+1EF2-1EFF,U+2C60-2C7F,U+A720-A7FF"],
];

/** Registers the fonts the twin serves under /fonts; resolves when the latin ones are there or have failed. */
export async function loadFonts(): Promise<void> {
  const wanted: Promise<unknown>[] = [];
  for (const [family, weight] of FAMILIES)
    for (const [subset, unicodeRange] of SUBSETS) {
      const face = new FontFace(family, `url(/fonts/inter-${subset}-${weight}-normal.woff2)`, { unicodeRange });
      document.fonts.add(face);
      if (weight !== 400) {
        const weighted = new FontFace("Inter", `url(/fonts/inter-${subset}-${weight}-normal.woff2)`, {
          unicodeRange,
          weight: String(weight),
        });
        document.fonts.add(weighted);
      }
      if (subset === "latin") wanted.push(face.load());
    }
  await Promise.allSettled(wanted);
}
