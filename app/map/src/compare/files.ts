// What leaves a comparison: tables and features at once, the printed report as a job that can be watched and cancelled.
import { button, element } from "../parts";
import { ask, askJson, Problem, type Job, type Question } from "./ask";

const FORMATS: [format: string, word: string][] = [
  ["csv", "cmp_csv"],
  ["xlsx", "cmp_xlsx"],
  ["gpkg", "cmp_gpkg"],
];
const ENDED = new Set(["done", "failed", "cancelled"]);

export interface FilesFrom {
  texts(): Record<string, string>;
  language(): string;
  /** What is compared now; null: nothing yet. */
  question(): Question | null;
}

export class Files {
  readonly root = element("div", "twin-files");
  readonly #buttons = element("div", "twin-acts");
  readonly #told = element("div", "twin-job");
  readonly #ended = new AbortController();
  #stream: EventSource | null = null;

  constructor(private readonly from: FilesFrom) {
    this.#told.setAttribute("role", "status");
    this.root.append(this.#buttons, this.#told);
  }

  say(): void {
    const texts = this.from.texts();
    const made = FORMATS.map(([format, word]) => Object.assign(button(texts[word] ?? format, () => void this.#fetch(format)), { name: format }));
    made.push(Object.assign(button(texts["cmp_pdf"] ?? "", () => void this.#report()), { name: "pdf" }));
    this.#buttons.replaceChildren(...made);
  }

  end(): void {
    this.#ended.abort();
    this.#stream?.close();
  }

  async #fetch(format: string): Promise<void> {
    const question = this.from.question();
    const texts = this.from.texts();
    if (!question) return this.#tell(texts["cmp_nothing_yet"]);
    this.#tell(texts["share_busy"]);
    try {
      const answer = await ask(`/scenarios/compare?format=${format}`, this.#ended.signal, question);
      const link = Object.assign(element("a"), { href: URL.createObjectURL(await answer.blob()), download: `comparison.${format}` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      this.#tell(texts["share_saved"]);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #report(): Promise<void> {
    const question = this.from.question();
    if (!question) return this.#tell(this.from.texts()["cmp_nothing_yet"]);
    this.#stream?.close();
    this.#tell(this.from.texts()["share_busy"]);
    try {
      const parameters = { ...question, language: this.from.language() };
      const job = await askJson<Job>("/jobs", this.#ended.signal, { kind: "report", parameters });
      this.#watch(job);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Follows a job by its events until it ends. */
  #watch(job: Job): void {
    this.#show(job);
    const stream = new EventSource(`/jobs/${job.id}/events`);
    this.#stream = stream;
    stream.addEventListener("job", (event) => {
      const told = JSON.parse((event as MessageEvent<string>).data) as Job;
      this.#show(told);
      if (ENDED.has(told.state)) stream.close();
    });
  }

  #show(job: Job): void {
    const texts = this.from.texts();
    this.#told.dataset["state"] = job.state;
    if (job.state === "done") {
      const links = job.files.map((file) => Object.assign(element("a", "twin-link", texts["cmp_report_get"]), { href: file, download: "" }));
      return this.#told.replaceChildren(element("span", "", texts["cmp_report_done"]), ...links);
    }
    if (job.state === "cancelled") return this.#tell(texts["cmp_report_cancelled"]);
    if (job.state === "failed") return this.#tell(`${texts["cmp_report_failed"] ?? ""} ${job.error ?? ""} ${job.remedy ?? ""}`);
    const bar = Object.assign(element("progress"), { max: 1, value: job.progress });
    bar.setAttribute("aria-label", texts["cmp_pdf"] ?? "");
    const words = (texts["cmp_report_running"] ?? "").replace("{percent}", String(Math.round(job.progress * 100)));
    const stop = button(texts["cmp_cancel"] ?? "", () => void askJson(`/jobs/${job.id}`, this.#ended.signal, undefined, "DELETE").catch((error: unknown) => this.#failed(error)));
    this.#told.replaceChildren(bar, element("span", "", words), stop);
  }

  #failed(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    const texts = this.from.texts();
    this.#tell(error instanceof Problem ? `${error.message} ${error.remedy}` : texts["share_failed"]);
  }

  #tell(text = ""): void {
    this.#told.replaceChildren(element("span", "", text));
  }
}
