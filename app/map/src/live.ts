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

export type LiveState = "off" | "connecting" | "live" | "lost";

interface Message {
  type: "snapshot" | "update";
  sensors: Partial<Sensor>[];
}

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15_000;

export class LiveFeed {
  readonly sensors = new Map<string, Sensor>();
  /** Milliseconds (page clock) at which each sensor last spoke. */
  readonly heard = new Map<string, number>();
  /** Where each sensor was before it last moved. */
  readonly before = new Map<string, [lon: number, lat: number]>();
  state: LiveState = "off";
  lastHeard = 0;
  #socket: WebSocket | null = null;
  #retry = FIRST_RETRY_MS;
  #timer = 0;

  constructor(
    private readonly url: string,
    private readonly changed: () => void,
  ) {}

  start(): void {
    if (this.#socket || !this.url) return;
    this.#enter("connecting");
    const socket = new WebSocket(new URL(this.url, location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.#read(JSON.parse(event.data) as Message);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#enter("lost");
      this.#timer = window.setTimeout(() => this.start(), this.#retry);
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
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#enter("off");
  }

  #read(message: Message): void {
    const now = performance.now();
    if (message.type === "snapshot") this.sensors.clear();
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

  #enter(state: LiveState): void {
    this.state = state;
    this.changed();
  }
}
