// The answer of /export.gpkg with its progress: lines of JSON that say how far the file is, one that says its size, then the file.

export interface PackageTold {
  /** The layer that is being written, its place among `of`, and the features of those before it. */
  layer?: string;
  at?: number;
  of?: number;
  features?: number;
  /** The size of the file, and how much of it has come. */
  bytes?: number;
  come?: number;
  /** Why there is no file. */
  detail?: string;
}

const NEW_LINE = 10;

/** The file, or null where the view holds nothing; `tell` hears how far it is. Throws where the answer ends before the file does. */
export async function readPackage(answer: Response, tell: (told: PackageTold) => void): Promise<Blob | null> {
  const reader = answer.body!.getReader();
  let head = new Uint8Array();
  let bytes = -1;
  let come = 0;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    let part = step.value;
    if (bytes < 0) {
      part = joined(head, part);
      for (let end = part.indexOf(NEW_LINE); bytes < 0 && end >= 0; end = part.indexOf(NEW_LINE)) {
        const told = JSON.parse(new TextDecoder().decode(part.subarray(0, end))) as PackageTold;
        part = part.slice(end + 1);
        if (told.detail !== undefined) return null;
        bytes = told.bytes ?? -1;
        if (bytes < 0) tell(told);
      }
      if (bytes < 0) head = part;
    }
    if (bytes < 0) continue;
    parts.push(part);
    tell({ bytes, come: (come += part.length) });
  }
  if (bytes < 0 || come !== bytes) throw new Error(`the package ended after ${come} of ${bytes} bytes`);
  return new Blob(parts, { type: "application/geopackage+sqlite3" });
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
