/**
 * A conversation with a model, by way of the bridge of a Flask application.
 *
 *     import { Realtime } from "./realtime.js";
 *
 *     const realtime = new Realtime({ url: "/realtime" });
 *     realtime.addEventListener("said", ({ detail }) => show(detail.id, detail.text));
 *     button.onclick = () => realtime.start();
 *
 * It has the microphone and the loudspeaker, comes back when the line breaks, and
 * dispatches events, whose `detail` is:
 *
 * state     {state, words}: "off", "connecting", "listening", "hearing", "thinking",
 *           "speaking", "waiting" (for a reconnection)
 * heard     {id, text, final}: what the user said or wrote
 * said      {id, text, final, interrupted}: what was heard of the model up to now
 * call      {id, name, args, output, done}: a function that the model calls
 * restored  {items: [{id, role, text}], resumed}: a session has begun
 * level     {heard, said}: loudness from 0 to 1
 * problem   {words, code}: something that the user should know
 */

const BYTES_PER_MS = 48; // of 16-bit PCM at 24 kHz
const FIRST_DELAY = 500; // ms before the first reconnection; then twice as many
const LONGEST_DELAY = 10000;
const TRIES = 12;
const HERE = new URL(".", import.meta.url);

/** What a close means for a person, by its code; "retry" where it makes sense. */
const CLOSES = {
  1000: { words: "The conversation has ended." },
  1001: { words: "The server is being restarted.", retry: true },
  1006: { words: "The connection was lost.", retry: true },
  1011: { words: "Something went wrong on the server.", retry: true },
  1012: { words: "The server is being restarted.", retry: true },
  4401: { words: "You are not logged in. Please log in again." },
  4408: { words: "Nobody said anything for a while, so the conversation was closed." },
  4409: { words: "This conversation goes on in another window." },
  4410: { words: "The time for one conversation is over." },
  4429: { words: "You have too many conversations open. Close one of them first." },
  4430: { words: "Too much was sent at once." },
  4431: { words: "Your connection is too slow for speech.", retry: true },
  4502: { words: "The model cannot be reached at the moment.", retry: true },
  4503: { words: "All lines are busy. Please try again in a few minutes." },
};

const STATES = {
  off: "Not connected",
  connecting: "Connecting…",
  listening: "Listening",
  hearing: "You are speaking",
  thinking: "Thinking…",
  speaking: "Speaking",
  waiting: "Reconnecting…",
};

export class Realtime extends EventTarget {
  /**
   * @param {object} options
   * @param {string} options.url path or URL of the bridge
   * @param {"open"|"push"} options.turns open microphone, or push to talk
   * @param {Storage|null} options.storage keeps which conversation to go on with
   */
  constructor({ url = "/realtime", turns = "open", storage = sessionStorage } = {}) {
    super();
    this.url = new URL(url, location.href);
    this.url.protocol = this.url.protocol === "https:" ? "wss:" : "ws:";
    this.turns = turns;
    this.storage = storage;
    this.state = "off";
    this.muted = false;
    this.pressed = false;
    this.wanted = false; // whether there should be a connection
    this.tries = 0;
    this.levels = { heard: 0, said: 0 };
    this.flushing = 0; // how many times the player was told to, and has not answered
    this.lost = false; // whether the user was told of a loss
    this.started = false; // whether there was a connection since start()
    this.reset();
    addEventListener("online", () => this.timer && this.connect());
  }

  // What a page calls

  /** Ask for the microphone and connect; call it when the user has clicked. */
  async start({ microphone = true } = {}) {
    this.wanted = true;
    this.tries = 0;
    this.started = false;
    this.become("connecting");
    try {
      await this.prepareSound();
      if (microphone) await this.openMicrophone();
    } catch (error) {
      this.tell(describe(error), error.name);
    }
    if (this.wanted && !this.socket) this.connect();
  }

  /** End the conversation, and forget it. */
  end() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.timer = null;
    this.flush();
    this.closeMicrophone();
    this.remember(null);
    this.send({ type: "end" });
    this.socket?.close(1000);
    this.socket = null;
    this.become("off");
  }

  /** Say something in writing. */
  async write(text) {
    if (!this.wanted) await this.start({ microphone: false });
    this.interrupt();
    this.send({ type: "text", text });
    this.become("thinking");
  }

  /** Begin a turn: with push to talk, when the button goes down. */
  press() {
    if (this.pressed || !this.isOpen) return;
    this.pressed = true;
    this.interrupt();
    this.send({ type: "clear" });
    this.become("hearing");
  }

  /** End a turn: when the button goes up. */
  release() {
    if (!this.pressed) return;
    this.pressed = false;
    this.send({ type: "commit" });
    this.become("thinking");
  }

  /** Stop the answer, and let the model know how much of it was heard. */
  interrupt() {
    this.flush(true);
    this.settle();
  }

  /** Change between "open" microphone and "push" to talk. */
  setTurns(turns) {
    this.turns = turns;
    this.pressed = false;
    if (this.isOpen) this.send({ type: "turns", turns });
    this.announce();
  }

  /** Let the microphone be heard, or not. */
  setMuted(muted) {
    this.muted = muted;
  }

  get hasMicrophone() {
    return Boolean(this.stream);
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // The socket

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    this.become("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const resume = this.storage?.getItem(this.key) ?? undefined;
      this.send({ type: "start", turns: this.turns, resume });
      for (const message of this.unsent.splice(0)) this.send(message);
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.receive(data);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.lose(code);
    };
  }

  lose(code) {
    this.socket = null;
    this.pressed = false;
    this.flush();
    if (!this.wanted) return;
    const known = CLOSES[code] ?? { words: `The connection was closed (${code}).` };
    if (!known.retry || this.tries >= TRIES) {
      this.wanted = false;
      this.closeMicrophone();
      this.become("off");
      this.tell(known.words, code);
      return;
    }
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.tries);
    this.tries += 1;
    this.become("waiting");
    this.lost = true;
    this.tell(`${known.words} Reconnecting…`, code);
    // Not all browsers at the same moment.
    this.timer = setTimeout(() => this.connect(), delay * (0.75 + Math.random() / 2));
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
    else if (message.type === "text") this.unsent.push(message);
  }

  receive(data) {
    if (data instanceof ArrayBuffer) {
      this.play(data);
      return;
    }
    const message = JSON.parse(data);
    this[`on_${message.type}`]?.(message);
  }

  // What the bridge says

  on_connected({ conversation, resumed, items }) {
    this.tries = 0;
    this.started = true;
    this.reset(this.unsent);
    this.remember(conversation);
    this.become("listening");
    if (this.lost) this.tell("", 0);
    this.lost = false;
    this.emit("restored", {
      resumed,
      items: items.map(({ item_id, role, text }) => ({ id: item_id, role, text })),
    });
  }

  on_speech_started({ interrupts }) {
    if (interrupts) this.interrupt();
    this.become("hearing");
  }

  on_speech_stopped() {
    this.become("thinking");
  }

  on_heard({ item_id, text, delta, final }) {
    const whole = text ?? (this.hearing.get(item_id) ?? "") + (delta ?? "");
    this.hearing.set(item_id, whole);
    this.emit("heard", { id: item_id, text: whole, final });
  }

  on_response_started({ response_id }) {
    this.response = response_id;
    if (this.state !== "hearing") this.become("thinking");
  }

  on_audio({ response_id, item_id }) {
    this.expected = response_id === this.silenced ? null : item_id;
    if (this.expected) {
      this.turn = response_id;
      this.answer(item_id).response = response_id;
    }
  }

  on_said({ item_id, response_id, text, delta, final }) {
    const answer = this.answer(item_id);
    if (answer.interrupted || response_id === this.silenced) return;
    answer.response = response_id;
    answer.text = final ? text : answer.text + delta;
    answer.complete = final;
    this.show(answer);
  }

  on_response_done({ response_id, status }) {
    this.done.add(response_id);
    for (const answer of this.answers.values()) {
      if (answer.response === response_id) {
        answer.ended = true;
        this.show(answer);
      }
    }
    if (response_id === this.response) this.response = null;
    if (status !== "cancelled" && !this.playing) this.settle();
  }

  on_tool_call({ call_id, name, arguments: args }) {
    this.calls.set(call_id, { name, args });
    this.emit("call", { id: call_id, name, args, done: false });
    this.become("thinking");
  }

  on_tool_result({ call_id, output }) {
    const call = this.calls.get(call_id);
    if (call) this.emit("call", { id: call_id, ...call, output, done: true });
  }

  on_error({ code, message }) {
    this.tell(message, code);
    if (this.state === "thinking") this.settle();
  }

  // Sound

  async prepareSound() {
    if (this.context) {
      await this.context.resume();
      return;
    }
    const context = new AudioContext({ sampleRate: 24000, latencyHint: "interactive" });
    await context.audioWorklet.addModule(new URL("player-worklet.js", HERE));
    this.player = new AudioWorkletNode(context, "realtime-player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.player.port.onmessage = ({ data }) =>
      data.flushed ? this.onFlushed(data) : this.onPlayed(data);
    this.player.connect(context.destination);
    this.context = context;
    await context.resume();
  }

  async openMicrophone() {
    if (this.stream) return;
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: true, // or the model would interrupt itself
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
    try {
      await this.capture(this.context);
    } catch {
      // Some browsers do not take a microphone at another rate than their own.
      this.ownContext = new AudioContext();
      await this.capture(this.ownContext);
    }
  }

  async capture(context) {
    const source = context.createMediaStreamSource(this.stream);
    await context.audioWorklet.addModule(new URL("capture-worklet.js", HERE));
    this.microphone = new AudioWorkletNode(context, "realtime-capture", {
      numberOfOutputs: 0,
    });
    this.microphone.port.onmessage = ({ data }) => this.onCaptured(data);
    source.connect(this.microphone);
    this.source = source;
  }

  closeMicrophone() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.source?.disconnect();
    this.ownContext?.close();
    this.stream = this.source = this.microphone = this.ownContext = null;
    this.setLevel({ heard: 0 });
  }

  onCaptured({ pcm, level }) {
    const heard = !this.muted && (this.turns === "open" || this.pressed);
    this.setLevel({ heard: heard ? level : 0 });
    // A line that does not take sound in time is no good for talking: better a gap.
    if (heard && this.isOpen && this.socket.bufferedAmount < 96000) {
      this.socket.send(pcm);
    }
  }

  play(pcm) {
    const item = this.expected;
    if (!item || !this.player) return;
    this.answer(item).received += pcm.byteLength / BYTES_PER_MS;
    this.player.port.postMessage({ pcm, item }, [pcm]);
  }

  /** Fall silent; if *tell*, the bridge learns how much was heard. */
  flush(tell = false) {
    this.expected = null;
    // What was being made or played: of neither is anything heard any more.
    this.silenced = this.response ?? this.turn ?? this.silenced;
    this.telling = tell;
    this.flushing += 1;
    if (this.player) this.player.port.postMessage({ flush: true });
    else this.onFlushed({ item: null, ms: 0 });
  }

  onFlushed({ item, ms }) {
    this.flushing -= 1;
    const answer = item ? this.answer(item) : null;
    const heard = Math.max(0, ms - this.latency);
    const response = answer?.response ?? this.response;
    if (this.telling && response) {
      this.send({
        type: "interrupt",
        response_id: response,
        item_id: item ?? undefined,
        ms: Math.round(heard),
      });
    }
    this.telling = false;
    this.playing = false;
    if (answer) {
      answer.played = heard;
      answer.interrupted = true;
      this.show(answer);
    }
    this.setLevel({ said: 0 });
  }

  onPlayed({ item, ms, level, idle }) {
    if (!item || this.flushing) return;
    this.setLevel({ said: level });
    const answer = this.answer(item);
    answer.played = idle ? ms : Math.max(0, ms - this.latency);
    this.playing = !idle;
    if (!idle && this.state !== "hearing") this.become("speaking");
    this.send({ type: "played", item_id: item, ms: Math.round(answer.played) });
    this.show(answer);
    if (idle && answer.ended) this.settle();
  }

  /** Milliseconds from the worklet to the ear. */
  get latency() {
    const { baseLatency = 0, outputLatency = 0 } = this.context ?? {};
    return (baseLatency + outputLatency) * 1000;
  }

  // What is shown

  answer(id) {
    if (!this.answers.has(id)) {
      this.answers.set(id, {
        id,
        text: "",
        shown: 0,
        received: 0,
        played: 0,
        complete: false,
        ended: false,
        interrupted: false,
      });
    }
    return this.answers.get(id);
  }

  /** Show as much of an answer as was heard; all of it, if it is not spoken. */
  show(answer) {
    const { id, text, received, played, interrupted } = answer;
    const ratio = received ? Math.min(1, played / received) : 1;
    const whole = !interrupted && ratio > 0.98;
    let end = whole ? text.length : Math.floor(text.length * ratio);
    while (!whole && end < text.length && end > 0 && text[end] !== " ") end -= 1;
    answer.shown = Math.max(answer.shown, end);
    const final = interrupted || (answer.ended && whole);
    const spoken = received > 0;
    this.emit("said", {
      id, text: text.slice(0, answer.shown), final, interrupted, spoken,
    });
  }

  settle() {
    if (["thinking", "speaking"].includes(this.state)) this.become("listening");
  }

  // Small things

  reset(unsent = []) {
    this.unsent = unsent;
    this.response = null; // that is being made
    this.turn = null; // the response that is played
    this.silenced = null;
    this.expected = null; // the item that the next sound belongs to
    this.playing = false;
    this.answers = new Map();
    this.hearing = new Map();
    this.calls = new Map();
    this.done = new Set();
  }

  get key() {
    return `realtime:${this.url.pathname}`;
  }

  remember(token) {
    if (token) this.storage?.setItem(this.key, token);
    else this.storage?.removeItem(this.key);
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.announce();
  }

  announce() {
    const deaf = !this.stream || this.turns === "push";
    const words = this.state === "listening" && deaf ? "Connected" : STATES[this.state];
    this.emit("state", { state: this.state, words });
  }

  setLevel(levels) {
    Object.assign(this.levels, levels);
    this.emit("level", this.levels);
  }

  tell(words, code) {
    this.emit("problem", { words, code });
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function describe(error) {
  const words = {
    NotAllowedError: "The microphone may not be used. Allow it in the browser, or write.",
    NotFoundError: "There is no microphone. You can write.",
    NotReadableError: "Another program uses the microphone. You can write.",
    SecurityError: "Browsers lend the microphone to https pages only. You can write.",
  };
  return words[error.name] ?? `There is no sound: ${error.message}`;
}
