// Figures as people read them: by their digits, with sign, interval and the marks of what is not observed.
import type { Difference, Figure, Line } from "./ask";

const THIN = "\u202f";
const MARKS: [mark: string, origins: string[]][] = [
  ["◇", ["synthetic", "simulated", "planned"]],
  ["◈", ["schematic"]],
  ["≈", ["modelled", "derived"]],
];

/** A value with the digits of its indicator, one more where it would read as nothing. */
export function number(value: number, digits: number): string {
  const least = 10 ** -digits;
  const more = value !== 0 && Math.abs(value) < least ? Math.min(6, 1 - Math.floor(Math.log10(Math.abs(value)))) : digits;
  return Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: more }).replaceAll(",", THIN);
}

export function plain(value: number, digits: number): string {
  return `${value < 0 ? "−" : ""}${number(value, digits)}`;
}

export function signed(value: number, digits: number): string {
  return value === 0 ? "0" : `${value < 0 ? "−" : "+"}${number(value, digits)}`;
}

/** low … high, empty where no error is known or there is none. */
export function interval(of: { low: number | null; high: number | null }, digits: number, as = plain): string {
  return of.low === null || of.high === null || of.low === of.high ? "" : `${as(of.low, digits)} … ${as(of.high, digits)}`;
}

/** The marks of a figure: of its method, then of the features it rests on. */
export function marksOf(line: Line, figure: Figure): string {
  const said = [line.origin, ...Object.keys(figure.origins)];
  return MARKS.filter(([, origins]) => origins.some((one) => said.includes(one))).map(([mark]) => mark).join(" ");
}

/** How much of the first side's figure a difference is; 1 where the first is nothing; null where it is withheld. */
export function shareOf(line: Line, side: number): number | null {
  const [first, difference] = [line.figures[0]?.value, line.differences[side - 1]?.value];
  if (first == null || difference == null) return null;
  if (difference === 0) return 0;
  return first === 0 ? Math.sign(difference) : difference / Math.abs(first);
}

/** What changed most comes first; what is withheld follows what changed, what stays the same is last. */
export function sorted(lines: Line[]): Line[] {
  const weight = (line: Line): number => {
    const shares = line.differences.map((_, index) => shareOf(line, index + 1));
    const greatest = Math.max(0, ...shares.map((one) => Math.abs(one ?? 0)));
    return greatest > 0 ? greatest : shares.includes(null) ? 1e-12 : 0;
  };
  return lines.map((line): [Line, number] => [line, weight(line)]).sort(([, one], [, other]) => other - one).map(([line]) => line);
}

export function isSame(difference: Difference | undefined): boolean {
  return difference?.value === 0;
}

/** A share of the whole in words: +12 %. */
export function percent(share: number): string {
  const value = share * 100;
  const digits = Math.abs(value) >= 10 ? 0 : Math.abs(value) >= 1 ? 1 : 2;
  return `${signed(value, digits)}${THIN}%`;
}
