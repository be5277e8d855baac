// What the workbench asks of the service, by the session's cookie; a refusal keeps its words and its remedy.

export interface Branch {
  id: number;
  name: string;
  author: string;
  parent: number | null;
  state: "draft" | "submitted" | "approved" | "archived";
  colour: string;
  version: number;
  open_conflicts?: number;
}

export interface Difference {
  layer: string;
  id: string;
  operation: "add" | "modify" | "remove";
  fields: Record<string, { old: unknown; new: unknown }>;
  geometry: { old: Shape | null; new: Shape | null };
  author: string | null;
  at: string | null;
}

export interface Shape {
  type: string;
  coordinates: unknown;
}

export interface Violation {
  zone: string;
  layer: string;
  id: string;
  rule: string;
  value: number;
  limit: number;
  unit: string;
  place: [number, number];
}

export interface Answer {
  operation: string;
  figures: Record<string, unknown>;
  counts: Record<string, Record<string, number>>;
  violations: Violation[];
  violation_count: number;
  /** Features that somebody else changed meanwhile: theirs stands, this is kept to be decided. */
  conflicts: number;
}

export interface Comment {
  id: number;
  author: string;
  at: string;
  body: string;
  resolved_at: string | null;
  resolved_by: string | null;
  thread: number | null;
  lon: number | null;
  lat: number | null;
}

/** A JSON schema as pydantic writes it, as far as forms read it. */
export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: string[];
  const?: string;
  anyOf?: Schema[];
  items?: Schema;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  $ref?: string;
  $defs?: Record<string, Schema>;
}

export interface Operation {
  name: string;
  titles: Record<string, string>;
  parameters: Schema;
}

/** The service said no: what was wrong, and what to do. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly remedy: string,
  ) {
    super(detail);
  }
}

/** Hears of every refusal, until the signal ends. */
export function onRefusal(hear: (error: Refusal) => void, signal: AbortSignal): void {
  hearers.add(hear);
  signal.addEventListener("abort", () => hearers.delete(hear));
}

const hearers = new Set<(error: Refusal) => void>();

/** Asks a path; a body is sent as JSON. Throws a Refusal with the service's own words, or with status 0 where it does not answer. */
export async function ask<T>(path: string, { body, method, signal }: { body?: unknown; method?: string; signal?: AbortSignal } = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-cache",
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, "", "");
  }
  if (answer.ok) return (await answer.json()) as T;
  const told = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string; remedy?: string };
  const refused = new Refusal(answer.status, told.detail || told.title || `${answer.status}`, told.remedy ?? "");
  for (const hear of hearers) hear(refused);
  throw refused;
}
