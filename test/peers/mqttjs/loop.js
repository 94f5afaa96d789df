// The loop of test/peers once more, as a developer writes it who would rather
// script: JavaScript on MQTT.js, as it comes. It plays the same happy path, with
// the same settings, and leaves out the same things.
//
//   node loop.js BROKER DEVICES RATE
//
// connects RATE devices a second, and ends when all of them are upgraded.

import http from "node:http";
import mqtt from "mqtt";

const product = "gw-200";
const store = new http.Agent({ keepAlive: true, maxSockets: 256 });

class Device {
  components = [
    { id: "rootfs", type: "module", version: "1.0.0" },
    { id: "motor", type: "mcu", version: "3_0" },
  ];
  plan = null;
  seq = 0;
  left = 0; // components still to be upgraded

  // The device keeps a session; ended is called when its plan is acknowledged.
  constructor(broker, key, ended) {
    this.topic = `ota/v1/${product}/${key}/`;
    this.ended = ended;
    this.client = mqtt.connect(broker, {
      protocolVersion: 5,
      clientId: `${product}.${key}`,
      clean: false,
      keepalive: 60,
      properties: { sessionExpiryInterval: 86400 },
      will: { topic: `${this.topic}up/offline`, payload: "{}", qos: 1, retain: false },
    });
    let last = Promise.resolve(); // messages are handled one after the other
    const next = (work) => (last = last.then(work).catch(fail));
    this.client.on("error", fail);
    this.client.on("connect", () => next(async () => {
      await this.client.subscribeAsync(`${this.topic}down/+`, { qos: 1 });
      await this.report();
    }));
    this.client.on("message", (topic, payload) => next(() => this.handle(topic.slice(topic.lastIndexOf("/") + 1), JSON.parse(payload))));
  }

  async handle(kind, message) {
    if (kind === "plan" && this.seq === 0) {
      await this.accept(message);
    } else if (kind === "package") {
      await this.upgrade(message);
    } else if (kind === "ack" && this.seq > 0 && this.left === 0 && message.seq >= this.seq) {
      this.ended();
    }
  }

  async accept(plan) {
    this.plan = { plan: plan.plan, attempt: plan.attempt };
    this.targets = new Map(plan.components.map((c) => [c.id, c.target]));
    this.left = plan.components.length;
    for (const c of plan.components) await this.tell(c.id, "plan_received");
    await this.send("decision", { ...this.plan, accept: true });
    for (const c of plan.components) await this.tell(c.id, "upgrade_confirmed");
  }

  async upgrade({ component, files }) {
    await this.tell(component, "ready_to_download");
    await this.tell(component, "downloading");
    for (const file of files) await download(file.urls[0]);
    await this.tell(component, "download_succeeded");
    await this.tell(component, "upgrading");
    this.components.find((c) => c.id === component).version = this.targets.get(component);
    this.left--;
    await this.tell(component, "upgrade_succeeded");
    await this.report();
  }

  // report sends the inventory, which asks for a plan if none is in progress.
  report() {
    const running = this.left > 0 ? { ...this.plan, seq: this.seq } : undefined;
    return this.send("inventory", { agent: "loop/1", request: this.seq === 0, components: this.components, running });
  }

  tell(component, status) {
    const { version } = this.components.find((c) => c.id === component);
    return this.send("status", { ...this.plan, seq: ++this.seq, component, status, version });
  }

  send(kind, content) {
    const payload = JSON.stringify({ time: new Date().toISOString(), ...content });
    return this.client.publishAsync(`${this.topic}up/${kind}`, payload, { qos: 1, properties: { contentType: "application/json" } });
  }
}

// download reads the whole file and looks at none of it.
function download(url) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent: store }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`the storage answered ${response.statusCode}`));
      response.on("error", reject).on("end", resolve).resume();
    }).on("error", reject);
  });
}

function fail(error) {
  console.error("loop:", error);
  process.exit(1);
}

const [broker, devices, rate] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
let [started, left] = [0, devices];
const began = Date.now();
const arrivals = setInterval(() => {
  while (started < devices && started < ((Date.now() - began) * rate) / 1000) {
    new Device(broker, `gateways-${String(++started).padStart(6, "0")}`, () => {
      if (--left === 0) {
        console.log(`${devices} devices upgraded`);
        process.exit(0);
      }
    });
  }
  if (started === devices) clearInterval(arrivals);
}, 10);
