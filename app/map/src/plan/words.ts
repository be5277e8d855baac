// The workbench's words and its smallest parts.
import { clock, element, figure } from "../parts";
import { Refusal } from "./service";

export type Words = (name: string, values?: Record<string, string | number>) => string;

/** Words by name, their braces filled; a name without words is shown as plain text. */
export function wordsOf(texts: () => Record<string, string>): Words {
  return (name, values = {}) => {
    let said = texts()[name] ?? plain(name);
    for (const [key, value] of Object.entries(values)) said = said.replace(`{${key}}`, String(value));
    return said;
  };
}

/** `field_max_height_m` without a catalogue's word: "Max height m". */
function plain(name: string): string {
  const words = name.replace(/^(field|choice|layer|rule|figure|part)_/, "").replaceAll(/[_.]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A value for people; objects by their parts, whose names have words where `say` knows them. */
export function told(value: unknown, say?: Words): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number") return figure(value);
  const named = (key: string): string => say?.(`part_${key.replaceAll(/[ _]+/g, "_")}`) ?? plain(key);
  if (typeof value === "object") return Object.entries(value).map(([key, one]) => `${named(key)} ${told(one, say)}`).join(", ") || "–";
  return String(value);
}

export function when(moment: string | null): string {
  return moment ? clock(Date.parse(moment)) : "";
}

/** What went wrong, in the service's words, with what to do about it. */
export function refusal(error: unknown, say: Words): HTMLElement {
  const box = element("div", "plan-refusal");
  box.setAttribute("role", "alert");
  const known = error instanceof Refusal ? error : null;
  const away = known?.status === 0;
  box.append(element("p", "plan-wrong", away ? say("away") : (known?.message ?? String(error))));
  const remedy = known?.status === 401 ? say("sign_in_how") : away ? say("away_remedy") : known?.remedy;
  if (remedy) box.append(element("p", "plan-remedy", `→ ${remedy}`));
  return box;
}
