// The figures as a table: what changed most comes first, with a bar of how much. The table is the twin of the bars.
import { button, element } from "../parts";
import type { Compared, Difference, Figure, Line } from "./ask";
import { interval, isSame, marksOf, percent, plain, shareOf, signed, sorted } from "./figures";

export interface TableFrom {
  texts(): Record<string, string>;
  language(): string;
  /** An indicator was pressed. */
  chosen(name: string): void;
}

/** The table of a comparison. `indicator`: the one whose causes are open. `unit` words are as the service says them. */
export function tableOf(compared: Compared, indicator: string, from: TableFrom): HTMLTableElement {
  const texts = from.texts();
  const table = element("table", "twin-compared");
  table.append(element("caption", "", (texts["cmp_caption"] ?? "").replace("{place}", compared.place_name)));
  const head = element("tr");
  const column = (text: string, className = ""): HTMLTableCellElement => {
    const made = Object.assign(element("th", className, text), { scope: "col" });
    head.append(made);
    return made;
  };
  column(texts["cmp_indicator"] ?? "");
  compared.sides.forEach((side, index) => {
    const made = column("", "twin-figure");
    const dot = element("span", "twin-dot");
    dot.style.setProperty("--c", side.colour);
    made.append(dot, side.scenario === null ? (texts["cmp_base"] ?? "") : side.name);
    if (index) column(texts["cmp_difference"] ?? "", "twin-figure");
    if (index === 1) column(texts["cmp_change"] ?? "", "twin-share");
  });
  const top = element("thead");
  top.append(head);
  const rows = element("tbody");
  const most = Math.max(...compared.lines.map((line) => Math.abs(shareOf(line, 1) ?? 0)));
  for (const line of sorted(compared.lines)) rows.append(rowOf(line, compared, indicator, most, from));
  table.append(top, rows);
  return table;
}

function rowOf(line: Line, compared: Compared, indicator: string, most: number, from: TableFrom): HTMLTableRowElement {
  const texts = from.texts();
  const row = element("tr");
  row.dataset["indicator"] = line.name;
  if (line.differences.every(isSame)) row.dataset["same"] = "yes";
  const first = Object.assign(element("th"), { scope: "row" });
  const open = button(line.title[from.language()] ?? line.title["en"] ?? line.name, () => from.chosen(line.name), "twin-link twin-why");
  open.setAttribute("aria-pressed", String(line.name === indicator));
  open.title = texts["cmp_why"] ?? "";
  first.append(open, element("span", "twin-unit", line.unit === "1" ? "" : line.unit));
  row.append(first);
  compared.sides.forEach((_, index) => {
    row.append(figureCell(line, line.figures[index]!, texts));
    if (index) row.append(differenceCell(line, line.differences[index - 1]!, texts));
    if (index === 1) row.append(shareCell(shareOf(line, 1), most, texts));
  });
  return row;
}

function figureCell(line: Line, figure: Figure, texts: Record<string, string>): HTMLTableCellElement {
  const cell = element("td", "twin-figure");
  if (figure.value === null) {
    cell.textContent = (figure.suppressed ? texts["cmp_withheld"] : texts["cmp_none"]) ?? "";
    cell.classList.add("twin-quiet");
    cell.title = figure.suppressed ? (texts["cmp_withheld_why"] ?? "") : figure.remark;
    return cell;
  }
  const marks = marksOf(line, figure);
  cell.append(plain(figure.value, line.digits), element("span", "twin-mark", marks ? ` ${marks}` : ""));
  const range = interval(figure, line.digits);
  if (range) cell.append(element("small", "", range));
  return cell;
}

function differenceCell(line: Line, difference: Difference, texts: Record<string, string>): HTMLTableCellElement {
  const cell = element("td", "twin-figure twin-differs");
  if (difference.value === null) {
    const withheld = line.figures.some(({ suppressed }) => suppressed);
    cell.textContent = (withheld ? texts["cmp_withheld"] : texts["cmp_none"]) ?? "";
    cell.classList.add("twin-quiet");
    return cell;
  }
  cell.dataset["value"] = String(difference.value);
  cell.append(difference.value === 0 ? (texts["cmp_same"] ?? "0") : signed(difference.value, line.digits));
  const range = difference.value === 0 ? "" : interval(difference, line.digits, signed);
  if (range) cell.append(element("small", "", range));
  return cell;
}

/** A bar from the middle: to the left less, to the right more; full where the table changes most. */
function shareCell(share: number | null, most: number, texts: Record<string, string>): HTMLTableCellElement {
  const cell = element("td", "twin-share");
  if (!share) return cell;
  const bar = element("span", "twin-bar");
  bar.setAttribute("aria-hidden", "true");
  bar.dataset["less"] = share < 0 ? "yes" : "no";
  bar.style.setProperty("--w", `${((Math.abs(share) / most) * 50).toFixed(1)}%`);
  const words = element("span", "twin-percent", percent(share));
  words.title = texts["cmp_change"] ?? "";
  cell.append(bar, words);
  return cell;
}
