// What is known of the open branch: what it changes, which rules it breaks, what is said about it; and the branches there are.
import { ask, type Branch, type Comment, type Difference, type Violation } from "./service";

const MOST_ZONES = 40;
const ZONES = "land.zones";

export class Account {
  branches: Branch[] = [];
  branch: Branch | null = null;
  differences: Difference[] = [];
  violations: Violation[] = [];
  comments: Comment[] = [];
  #asked = 0;
  #known = 0;
  #judged = 0;

  /** The branches that whoever looks may see; who may see none sees the base. */
  async list(): Promise<void> {
    this.branches = await ask<{ scenarios: Branch[] }>("/scenarios?limit=200").then(({ scenarios }) => scenarios, () => []);
  }

  /** Opens a branch by its id; throws a Refusal where it is not there, and the base is open then. */
  async open(id: number): Promise<void> {
    this.close();
    if (id) this.branch = await ask<Branch>(`/scenarios/${id}`);
  }

  close(): void {
    this.branch = null;
    [this.differences, this.violations, this.comments] = [[], [], []];
  }

  /** Everything that hangs on the branch, fetched anew; throws a Refusal and keeps what was known. What was asked
   * earlier and comes later changes nothing. */
  async renew(): Promise<void> {
    const { branch } = this;
    if (!branch) return;
    const asked = ++this.#asked;
    const path = `/scenarios/${branch.id}`;
    const [now, diff, talked] = await Promise.all([
      ask<Branch>(path),
      ask<{ differences: Difference[] }>(`${path}/diff?limit=1000`),
      ask<{ comments: Comment[] }>(`${path}/comments`),
    ]);
    if (this.branch?.id !== branch.id || asked < this.#known) return;
    this.#known = asked;
    this.branch = now;
    this.branches = this.branches.map((one) => (one.id === now.id ? now : one));
    [this.differences, this.comments] = [diff.differences, talked.comments];
  }

  /** What breaks the rules of the branch's zones, as it stands; false: another branch is open, or it was asked again by now. */
  async judge(): Promise<boolean> {
    const { branch } = this;
    if (!branch) return true;
    const asked = ++this.#judged;
    const zones = [...new Set(this.differences.filter(({ layer, operation }) => layer === ZONES && operation !== "remove").map(({ id }) => id))].slice(0, MOST_ZONES);
    const judged = async (zone: string): Promise<Violation[]> => {
      const path = `/scenarios/${branch.id}/zones/${encodeURIComponent(zone)}/violations`;
      return ask<{ violations: Violation[] }>(path).then(({ violations }) => violations, () => []);
    };
    const found = await Promise.all(zones.map(judged));
    if (this.branch?.id !== branch.id || asked !== this.#judged) return false;
    this.violations = found.flat();
    return true;
  }
}
