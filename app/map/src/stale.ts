/** A sensor that was silent for so long is grey: milliseconds. */
export const STALE_MS = 10 * 60_000;
