// The browser's side of TalkWidget: microphone, speaker, captions. Messages both ways:
//   here to Python  hello, started, stopped, heard (a buffer), played (ms), problem
//   Python to here  greet, welcome, caption, audio (a buffer), flush (ms), start, stop

const RATE = 24000; // Hz, mono, 16-bit little-endian: what the service hears and says
const CHUNK = 2400; // samples of the microphone in one message: 100 ms
const PATIENCE = 15000; // ms that the kernel may be silent before the microphone closes
const LEAD = 0.06; // seconds between the arrival of audio and its playing, against gaps

const EVENTS = ["change:state", "change:problem"];

// Runs on the audio thread: to the rate of the service, to 16 bits, in chunks. Where the
// browser's rate is higher, samples are averaged, which keeps what is too high out.
const WORKLET = `
registerProcessor("realtime-sync-tap", class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.size = options.processorOptions.size;
    this.step = sampleRate / options.processorOptions.rate;
    this.chunk = new Int16Array(this.size);
    this.filled = this.sum = this.count = this.phase = 0;
  }
  process(inputs) {
    for (const sample of inputs[0][0] ?? []) {
      this.sum += sample;
      this.count += 1;
      this.phase += 1;
      if (this.phase >= this.step) {
        this.phase -= this.step;
        this.put(this.sum / this.count);
        this.sum = this.count = 0;
      }
    }
    return true;
  }
  put(sample) {
    this.chunk[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
    if (this.filled === this.size) {
      this.port.postMessage(this.chunk.buffer, [this.chunk.buffer]);
      this.chunk = new Int16Array(this.size);
      this.filled = 0;
    }
  }
});`;

class Microphone {
  // Calls heard(buffer) with each chunk, until stop().
  static async open(context, heard) {
    const constraints = { echoCancellation: true, noiseSuppression: true, channelCount: 1 };
    if (!navigator.mediaDevices) {
      throw new Error("this page may not use a microphone: it needs https or localhost");
    }
    const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    const microphone = new Microphone(stream);
    try {
      await microphone.connect(context, heard);
    } catch {
      // Some browsers do not bring a microphone to the rate of another context.
      microphone.own = new AudioContext();
      await microphone.connect(microphone.own, heard);
    }
    return microphone;
  }
  constructor(stream) {
    this.stream = stream;
    this.own = null;
  }
  async connect(context, heard) {
    const code = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    await context.audioWorklet.addModule(code);
    URL.revokeObjectURL(code);
    const source = context.createMediaStreamSource(this.stream);
    const tap = new AudioWorkletNode(context, "realtime-sync-tap", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { rate: RATE, size: CHUNK },
    });
    tap.port.onmessage = (event) => heard(event.data);
    source.connect(tap);
    this.disconnect = () => source.disconnect();
  }
  stop() {
    this.disconnect?.();
    this.stream.getTracks().forEach((track) => track.stop());
    this.own?.close();
  }
}

class Speaker {
  // Plays what is written, one piece after the other; knows how much of it was heard.
  constructor(context) {
    this.context = context;
    this.pieces = [];
    this.finished = 0; // seconds
    this.free = 0; // when the last piece ends, by the clock of the context
  }
  write(samples) {
    const audio = this.context.createBuffer(1, samples.length, RATE);
    audio.copyToChannel(Float32Array.from(samples, (sample) => sample / 32768), 0);
    const source = this.context.createBufferSource();
    source.buffer = audio;
    source.connect(this.context.destination);
    const start = Math.max(this.free, this.context.currentTime + LEAD);
    source.start(start);
    this.free = start + audio.duration;
    this.pieces.push({ source, start, seconds: audio.duration });
  }
  get playing() {
    this.tidy();
    return this.pieces.length > 0;
  }
  get played() {
    this.tidy();
    const now = this.now();
    const parts = this.pieces.map((p) => Math.min(Math.max(now - p.start, 0), p.seconds));
    return parts.reduce((sum, part) => sum + part, this.finished);
  }
  flush(seconds) {
    this.pieces.forEach((piece) => piece.source.stop());
    this.pieces = [];
    this.free = 0;
    this.finished = seconds;
  }
  now() {
    return this.context.currentTime - (this.context.outputLatency || 0);
  }
  tidy() {
    while (this.pieces.length && this.now() >= this.pieces[0].start + this.pieces[0].seconds) {
      this.finished += this.pieces.shift().seconds;
    }
  }
}

function loudness(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  const decibels = 10 * Math.log10(energy / samples.length / 32768 ** 2 + 1e-9);
  return Math.min(1, Math.max(0, 1 + decibels / 50));
}

class Talk {
  // One for a model, however many views it has.
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.lines = new Map();
    this.trouble = "";
    this.generation = 0;
    model.on("msg:custom", (message, buffers) => this.take(message, buffers));
    this.page = Math.random().toString(36);
    this.greet();
  }
  greet() {
    // Again and again: what is sent before the front end has a subshell for the widget
    // waits until no cell runs.
    let left = 30;
    const say = () => {
      this.send({ type: "hello", page: this.page });
      left -= 1;
      if (left <= 0) clearInterval(this.greeter);
    };
    clearInterval(this.greeter);
    this.greeter = setInterval(say, 300);
    say();
  }
  send(message, buffers = []) {
    try {
      this.model.send(message, undefined, buffers);
    } catch {
      // The kernel is gone; watch() sees to it.
    }
  }
  take(message, buffers) {
    if (message.type === "greet") this.greet();
    if (message.type === "welcome") this.welcome();
    if (message.type === "caption") this.caption(message);
    if (message.type === "audio") this.play(message, buffers[0]);
    if (message.type === "flush") this.flush(message);
    if (message.type === "start") this.start();
    if (message.type === "stop") this.stop();
  }
  welcome() {
    clearInterval(this.greeter);
    this.heardOf = Date.now();
  }
  caption(line) {
    this.lines.set(line.id, line);
    this.views.forEach((view) => view.caption(line));
  }
  play(message, data) {
    this.generation = message.generation;
    if (!this.speaker) return; // not started: nobody wants to hear it yet
    const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    this.speaker.write(new Int16Array(bytes));
    this.reporter ??= setInterval(() => this.report(), 100);
  }
  flush(message) {
    this.generation = message.generation;
    this.speaker?.flush(message.ms / 1000);
  }
  report() {
    const ms = Math.floor(this.speaker.played * 1000);
    this.send({ type: "played", ms, generation: this.generation });
    this.views.forEach((view) => view.speaking(this.speaker.playing));
    if (!this.speaker.playing) {
      clearInterval(this.reporter);
      this.reporter = null;
    }
  }
  async start() {
    if (this.microphone || this.starting) return;
    this.starting = true;
    try {
      this.context ??= new AudioContext({ sampleRate: RATE });
      this.speaker ??= new Speaker(this.context);
      // Pages may not sound before somebody has used them: then this waits for a click.
      this.context.resume();
      this.microphone = await Microphone.open(this.context, (chunk) => this.heard(chunk));
      this.trouble = "";
      this.heardOf = Date.now();
      this.watcher = setInterval(() => this.watch(), PATIENCE / 5);
      this.send({ type: "started" });
    } catch (error) {
      this.send({ type: "problem", words: `no microphone: ${error.message || error.name}` });
    }
    this.starting = false;
    this.update();
  }
  watch() {
    // A kernel that was restarted knows nothing of this; nobody should be listened to.
    this.send({ type: "hello", page: this.page });
    if (Date.now() - this.heardOf > PATIENCE) {
      this.trouble = "the kernel does not answer: the microphone is closed";
      this.stop();
    }
  }
  heard(chunk) {
    const samples = new Int16Array(chunk);
    this.views.forEach((view) => view.hearing(loudness(samples)));
    this.send({ type: "heard" }, [chunk]);
  }
  stop() {
    clearInterval(this.watcher);
    this.microphone?.stop();
    this.microphone = null;
    this.views.forEach((view) => view.hearing(0));
    this.update();
    this.send({ type: "stopped" });
  }
  update() {
    this.views.forEach((view) => view.update());
  }
  end() {
    clearInterval(this.watcher);
    clearInterval(this.greeter);
    this.microphone?.stop();
    clearInterval(this.reporter);
    this.context?.close();
  }
}

class View {
  constructor(talk, el) {
    this.talk = talk;
    const make = (name, parent, className = "", text = "") => {
      const element = document.createElement(name);
      element.className = className && `realtime-sync-${className}`;
      element.textContent = text;
      parent.append(element);
      return element;
    };
    this.make = make;
    const box = make("div", el, "talk");
    const bar = make("div", box, "bar");
    this.button = make("button", bar, "button");
    this.meter = make("span", make("span", bar, "meter"), "level");
    this.status = make("span", bar, "status");
    this.captions = make("div", box, "captions");
    this.captions.setAttribute("aria-live", "polite");
    this.rows = new Map();
    this.button.addEventListener("click", () => this.press());
    this.updated = () => this.update();
    EVENTS.forEach((event) => talk.model.on(event, this.updated));
    talk.lines.forEach((line) => this.caption(line));
    this.update();
  }
  press() {
    if (this.talk.microphone) this.talk.stop();
    else this.talk.start();
  }
  update() {
    const state = this.talk.model.get("state");
    const talking = Boolean(this.talk.microphone);
    this.button.textContent = talking ? "■ Stop" : "● Talk";
    this.button.disabled = state === "ended";
    this.button.setAttribute("aria-pressed", String(talking));
    this.speaking(false);
  }
  speaking(yes) {
    const ended = this.talk.model.get("state") === "ended" && "the connection is closed";
    const problem = ended || this.talk.trouble || this.talk.model.get("problem");
    const idle = this.talk.microphone ? "listening" : "";
    this.status.textContent = problem || (yes ? "speaking" : idle);
  }
  hearing(level) {
    this.meter.style.width = `${Math.round(level * 100)}%`;
  }
  caption(line) {
    let row = this.rows.get(line.id);
    if (!row) {
      row = this.make("div", this.captions, "line");
      this.make("span", row, "who", line.who);
      this.make("span", row, "words");
      this.rows.set(line.id, row);
    }
    row.lastChild.textContent = line.words; // text, never HTML
    this.captions.scrollTop = this.captions.scrollHeight;
  }
  remove() {
    EVENTS.forEach((event) => this.talk.model.off(event, this.updated));
  }
}

// Called once for a model; what it returns, once for each view.
export default () => {
  let talk = null;
  return {
    initialize({ model }) {
      talk = new Talk(model);
      return () => talk.end();
    },
    render({ el }) {
      const view = new View(talk, el);
      talk.views.add(view);
      return () => {
        talk.views.delete(view);
        view.remove();
      };
    },
  };
};
