// The twin's live stream: a snapshot, then changes. Reconnects by itself and says in what state it is.

export interface Sensor {
  id: string;
  fid: number;
  lon: number;
  lat: number;
  phenomenon: string;
  datastream?: string | number;
  value: number | null;
  unit: string;
  time: string;
  quality: string;
  origin?: string;
  /** The newest value of each phenomenon the station measures, with its unit. */
  readings: Record<string, string>;
}

export interface Alert {
  id: number;
  rule: string;
  title: string;
  severity: string;
  state: string;
  subject?: string;
  message: string;
  sensor?: string | null;
  district?: string | null;
  lon?: number | null;
  lat?: number | null;
  people?: number | null;
  people_in?: string | null;
  since: string;
  /** What the rule says is to be done, by language. */
  advice?: Record<string, string> | null;
}

export type LiveState = "off" | "connecting" | "live" | "lost";

interface Message {
  type: "snapshot" | "update" | "alerts";
  sensors?: Partial<Sensor>[];
  alerts?: (Alert & { event: string })[];
  /** The alerts are all that are open. */
  whole?: boolean;
}

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15_000;

export class LiveFeed {
  readonly sensors = new Map<string, Sensor>();
  /** Milliseconds (page clock) at which each sensor last spoke. */
  readonly heard = new Map<string, number>();
  /** Where each sensor was before it last moved. */
  readonly before = new Map<string, [lon: number, lat: number]>();
  /** The open alerts by their number. */
  readonly alerts = new Map<number, Alert>();
  state: LiveState = "off";
  /** Whether the sensors' values are asked for too, not the alerts alone. */
  #wide = false;
  lastHeard = 0;
  #socket: WebSocket | null = null;
  #retry = FIRST_RETRY_MS;
  #timer = 0;

  constructor(
    private readonly url: string,
    private readonly changed: () => void,
  ) {}

  /** Listens to alerts, and with `wide` to the sensors' values too. */
  listen(wide: boolean): void {
    if (this.#wide === wide && (this.#socket || this.#timer)) return;
    this.stop();
    this.#wide = wide;
    this.#start();
  }

  /** Listens to what of it is wanted, and to nothing where neither is. */
  follow(sensors: boolean, alerts: boolean): void {
    if (sensors || alerts) this.listen(sensors);
    else if (this.state !== "off") this.stop();
  }

  #start(): void {
    if (this.#socket || !this.url) return;
    this.#timer = 0;
    this.#enter("connecting");
    const address = new URL(this.url, location.href.replace(/^http/, "ws"));
    if (!this.#wide) address.searchParams.set("layers", "iot.alerts");
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.#read(JSON.parse(event.data) as Message);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#enter("lost");
      this.#timer = window.setTimeout(() => this.#start(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, LAST_RETRY_MS);
    };
  }

  /** Whether any of what is heard was made by the simulator. */
  isSimulated(): boolean {
    for (const sensor of this.sensors.values()) if (sensor.origin === "simulated") return true;
    return false;
  }

  stop(): void {
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#enter("off");
  }

  #read(message: Message): void {
    const now = performance.now();
    if (message.type === "snapshot") this.sensors.clear();
    if (message.alerts) this.#hear(message.alerts, message.type === "snapshot" || message.whole === true);
    for (const change of message.sensors ?? []) {
      if (typeof change.id !== "string") continue;
      const known = this.sensors.get(change.id);
      const sensor = { ...known, ...change, readings: { ...known?.readings } } as Sensor;
      if (sensor.phenomenon && sensor.value !== null)
        sensor.readings[sensor.phenomenon] = `${sensor.value} ${sensor.unit ?? ""}`.trim();
      if (!Number.isFinite(sensor.lon) || !Number.isFinite(sensor.lat)) continue;
      if (known) this.before.set(change.id, [known.lon, known.lat]);
      this.sensors.set(change.id, sensor);
      if (message.type === "update") this.heard.set(change.id, now);
    }
    this.lastHeard = Date.now();
    this.#retry = FIRST_RETRY_MS;
    this.#enter("live");
  }

  #hear(alerts: (Alert & { event: string })[], whole: boolean): void {
    if (whole) this.alerts.clear();
    for (const alert of alerts)
      if (alert.state === "cleared" || alert.event === "cleared") this.alerts.delete(alert.id);
      else this.alerts.set(alert.id, alert);
  }

  #enter(state: LiveState): void {
    this.state = state;
    this.changed();
  }
}
