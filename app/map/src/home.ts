// Where the twin answers: the page's own origin, or that of the style where the map stands in somebody else's page, as in a notebook.
let origin = "";

/** Everything is asked of the twin whose style this is. */
export function settle(styleUrl: string): void {
  origin = new URL(styleUrl, location.href).origin;
}

/** An address of the twin. */
export function at(path: string): string {
  return new URL(path, origin || location.href).href;
}

/** Whether the map stands in somebody else's page, where nobody is signed in. */
export function abroad(): boolean {
  return origin !== "" && origin !== location.origin;
}
