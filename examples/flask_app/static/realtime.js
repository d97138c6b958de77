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
 *           "speaking", "waiting" (for a reconnection); also when `hasMicrophone`,
 *           `isAsking`, `muted`, `pressed` or `turns` has changed
 * heard     {id, text, final, pending, failed}: what the user said or wrote; pending
 *           until the server has what was written, failed if it never got it
 * said      {id, text, final, interrupted, spoken}: what was heard of the model up to now
 * call      {id, name, args, output, done}: a function that the model calls
 * restored  {items: [{id, role, text}], resumed, forgotten}: a session has begun;
 *           forgotten if there was a conversation to go on with, and the server has not
 * level     {heard, said}: loudness from 0 to 1
 * problem   {words, code}: something that the user should know; no words: it is over
 */

const BYTES_PER_MS = 48; // of 16-bit PCM at 24 kHz
const FIRST_DELAY = 500; // ms before the first reconnection; then twice as many
const LONGEST_DELAY = 10000;
const TRIES = 12;
const FIRST_TRIES = 3; // of a server that has never been reached
const QUIET_PIECES = 25; // of silence after the user is muted, a second
const QUIET_BYTES = 96000; // of silence at once, when the microphone is gone
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
// A browser does not tell a page why it was refused: 403 and 501 look the same.
const UNREACHED = "The server cannot be reached, or takes no conversation of this page.";

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
    this.wanted = false; // whether there should be a connection
    this.started = false; // whether there was one since start()
    this.tries = 0;
    this.levels = { heard: 0, said: 0 };
    this.flushing = 0; // how many times the player was told to, and has not answered
    this.microphone = null; // that is open, or asked for
    this.problems = new Map(); // by what they are about
    this.texts = []; // that the server has not confirmed, oldest first
    this.written = 0;
    this.known = new Set(); // items that were shown, of all connections
    this.answers = new Map();
    this.hearing = new Map();
    this.online = () => this.timer && this.connect();
    this.reset();
  }

  // What a page calls

  /** Connect, and ask for the microphone; call it when the user has clicked. */
  async start({ microphone = true } = {}) {
    const first = !this.wanted;
    if (first) {
      this.wanted = true;
      this.started = false;
      this.tries = 0;
      this.problems.clear();
      this.report();
      addEventListener("online", this.online);
    }
    const sound = this.prepareSound();
    const opened = microphone ? this.openMicrophone() : null;
    this.update();
    await sound;
    // By now the user may have ended it, or begun anew.
    if (first && this.wanted && !this.socket) this.connect();
    await opened;
  }

  /** End the conversation, and forget it. */
  end() {
    this.remember(null);
    this.send({ type: "end" });
    this.socket?.close(1000);
    this.finish();
  }

  /** Say something in writing. */
  async write(text) {
    if (!text.trim()) return;
    this.written += 1;
    const message = { id: `written-${this.written}`, text: text.trim(), sent: false };
    this.texts.push(message);
    this.showText(message);
    this.forgive("turn", "microphone");
    this.silence();
    if (this.ready) this.sendText(message);
    this.update();
    if (!this.wanted) await this.start({ microphone: false });
  }

  /** Begin a turn: with push to talk, when the button goes down. */
  press() {
    if (this.pressed || !this.ready) return;
    this.commit(); // what was said before, if that is not done yet
    this.pressed = true;
    this.unwanted = false;
    this.forgive("turn");
    this.silence();
    this.send({ type: "clear" });
    this.update();
  }

  /** End a turn: when the button goes up. */
  release() {
    if (!this.pressed) return;
    this.pressed = false;
    this.releasing = true;
    this.owed = true;
    if (this.hasMicrophone) this.microphone.flush();
    else this.commit();
    this.update();
  }

  /** Stop the answer, and let the model know how much of it was heard. */
  interrupt() {
    // Of an answer that is still to begin, nobody wants to hear anything.
    if (this.owed || this.hasCalls) this.unwanted = true;
    this.owed = false;
    for (const call of this.calls.values()) call.open = false;
    this.silence();
    this.update();
  }

  /** Change between "open" microphone and "push" to talk. */
  setTurns(turns) {
    this.commit();
    this.turns = turns;
    this.pressed = this.speaking = false;
    this.send({ type: "turns", turns });
    this.update();
  }

  /** Let an open microphone be heard, or not. */
  setMuted(muted) {
    this.muted = muted;
    this.quiet = QUIET_PIECES;
    this.update();
  }

  /** Ask for the microphone, if there is none: also after a refusal. */
  async openMicrophone() {
    if (!this.wanted || this.microphone) return;
    const microphone = new Microphone({
      heard: (piece) => this.onCaptured(piece),
      lost: () => this.loseMicrophone(),
      changed: () => this.update(),
    });
    this.microphone = microphone;
    this.update();
    try {
      await microphone.open(this.prepareSound());
      if (microphone === this.microphone) this.forgive("microphone");
    } catch (error) {
      if (microphone !== this.microphone) return; // nobody waits for it any more
      this.closeMicrophone();
      this.tell("microphone", describe(error), error.name);
    }
    this.update();
  }

  get hasMicrophone() {
    return Boolean(this.microphone?.ready);
  }

  /** Whether the user is being asked for the microphone. */
  get isAsking() {
    return Boolean(this.microphone) && !this.microphone.ready;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // The socket

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.token = this.storage?.getItem(this.key) ?? undefined;
      this.send({ type: "start", turns: this.turns, resume: this.token });
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
    this.flush();
    this.reset();
    const unreached = code === 1006 && !this.started;
    const known = CLOSES[code] ?? { words: `The connection was closed (${code}).` };
    const words = unreached ? UNREACHED : known.words;
    if (!known.retry || this.tries >= (this.started ? TRIES : FIRST_TRIES)) {
      this.finish();
      this.tell("line", words, code);
      return;
    }
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.tries);
    this.tries += 1;
    // Not all browsers at the same moment.
    this.timer = setTimeout(() => this.connect(), delay * (0.75 + Math.random() / 2));
    this.tell("line", `${words} ${this.started ? "Reconnecting…" : "Trying again…"}`, code);
    this.update();
  }

  /** Let nothing go on: neither the socket, nor the microphone, nor the sound. */
  finish() {
    this.wanted = false;
    this.socket = null;
    clearTimeout(this.timer);
    this.timer = null;
    removeEventListener("online", this.online);
    this.flush();
    this.closeMicrophone();
    this.reset();
    this.fail(this.texts.length);
    this.update();
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }

  sendText(message) {
    message.sent = true;
    this.send({ type: "text", text: message.text });
    this.owed = true;
    this.unwanted = false;
  }

  /** Return what was written and has now arrived as *text*; null if nothing was. */
  confirm(text) {
    const at = this.texts.findIndex((each) => each.sent && each.text === text.trim());
    if (at < 0) return null;
    // They arrive in order: those before it were refused.
    this.fail(at);
    return this.texts.shift();
  }

  /** Give up what was written first, *count* of it. */
  fail(count) {
    for (const text of this.texts.splice(0, count)) this.showText(text, { failed: true });
  }

  receive(data) {
    if (data instanceof ArrayBuffer) {
      this.play(data);
    } else {
      const message = JSON.parse(data);
      this[`on_${message.type}`]?.(message);
    }
    this.update();
  }

  // What the bridge says

  on_connected({ conversation, resumed, items }) {
    const forgotten = !resumed && Boolean(this.token || this.started);
    this.tries = 0;
    this.started = true;
    this.ready = true;
    this.answers.clear();
    this.hearing.clear();
    this.remember(conversation);
    this.forgive("line");
    this.emit("restored", {
      resumed,
      forgotten,
      items: items.map((item) => this.restore(item)),
    });
    for (const message of this.texts) {
      this.showText(message);
      this.sendText(message);
    }
  }

  restore({ item_id, role, text }) {
    const isNew = !this.known.has(item_id);
    this.known.add(item_id);
    // What was written just before the connection was lost may have arrived.
    const arrived = isNew && role === "user" ? this.confirm(text) : null;
    return { id: arrived?.id ?? item_id, role, text };
  }

  on_speech_started({ interrupts }) {
    if (interrupts) this.silence();
    this.speaking = true;
    this.unwanted = false;
  }

  on_speech_stopped() {
    this.speaking = false;
    this.owed = true;
  }

  on_heard({ item_id, text, delta, final }) {
    // What was said has a place before it is understood, what was written has not.
    const isNew = final && !this.known.has(item_id);
    const written = isNew ? this.confirm(text) : null;
    this.known.add(item_id);
    if (written) {
      this.showText(written, { pending: false });
      return;
    }
    const whole = text ?? (this.hearing.get(item_id) ?? "") + (delta ?? "");
    this.hearing.set(item_id, whole);
    this.emit("heard", { id: item_id, text: whole, final });
  }

  on_response_started({ response_id }) {
    this.owed = false;
    if (this.unwanted || this.pressed) {
      this.unwanted = false;
      this.silenced.add(response_id);
      this.send({ type: "interrupt", response_id, ms: 0 });
      return;
    }
    this.response = response_id;
    this.forgive("turn");
  }

  on_audio({ response_id, item_id }) {
    this.expected = this.silenced.has(response_id) ? null : item_id;
    if (this.expected) {
      this.turn = response_id;
      this.answer(item_id).response = response_id;
    }
  }

  on_said({ item_id, response_id, text, delta, final }) {
    const answer = this.answer(item_id);
    if (answer.interrupted || this.silenced.has(response_id)) return;
    answer.response = response_id;
    answer.text = final ? text : answer.text + delta;
    this.show(answer);
  }

  on_response_done({ response_id, status }) {
    for (const answer of this.answers.values()) {
      if (answer.response === response_id) {
        answer.ended = true;
        this.show(answer);
      }
    }
    if (response_id === this.response) this.response = null;
    // The calls of an answer that was broken off are not made.
    for (const call of this.calls.values()) {
      if (status !== "completed" && call.response === response_id) call.open = false;
    }
  }

  on_tool_call({ call_id, name, arguments: args }) {
    this.calls.set(call_id, { name, args, response: this.response, open: true });
    this.emit("call", { id: call_id, name, args, done: false });
  }

  on_tool_result({ call_id, output }) {
    const call = this.calls.get(call_id);
    if (!call) return;
    call.open = false;
    const { name, args } = call;
    this.emit("call", { id: call_id, name, args, output, done: true });
  }

  on_error({ code, message }) {
    this.owed = this.unwanted = false;
    // Of what is on its way for so short a time, it is most likely this.
    if (this.texts[0]?.sent) this.fail(1);
    this.tell("turn", message, code);
  }

  // Sound

  /** Return a promise of the context, or of null where there is no sound. */
  prepareSound() {
    this.sound ??= this.openSound().catch((error) => {
      this.context?.close();
      this.sound = this.context = null;
      this.tell("sound", describe(error), error.name);
      return null;
    });
    // Nobody waits for this: where the user has not clicked, it takes until then.
    this.context?.resume();
    return this.sound;
  }

  async openSound() {
    const context = new AudioContext({ sampleRate: 24000, latencyHint: "interactive" });
    this.context = context;
    await context.audioWorklet.addModule(new URL("player-worklet.js", HERE));
    this.player = new AudioWorkletNode(context, "realtime-player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.player.port.onmessage = ({ data }) =>
      data.flushed ? this.onFlushed(data) : this.onPlayed(data);
    this.player.connect(context.destination);
    return context;
  }

  closeMicrophone() {
    this.microphone?.close();
    this.microphone = null;
    this.setLevel({ heard: 0 });
  }

  loseMicrophone() {
    this.closeMicrophone();
    this.commit();
    // Or the server would wait for the rest of the sentence.
    if (this.turns === "open") this.sendSound(new ArrayBuffer(QUIET_BYTES));
    this.pressed = this.speaking = false;
    const words = "The microphone is gone. You can turn it on again, or write.";
    this.tell("microphone", words, "NotFoundError");
    this.update();
  }

  onCaptured({ pcm, level, flushed }) {
    const open = this.turns === "open";
    const heard = open ? !this.muted : this.pressed || this.releasing;
    this.setLevel({ heard: heard ? level : 0 });
    if (heard) {
      this.sendSound(pcm);
    } else if (open && (this.speaking || this.quiet > 0)) {
      // A sentence ends with silence: without it the server would wait for the rest.
      this.quiet -= 1;
      this.sendSound(new ArrayBuffer(pcm.byteLength));
    }
    if (flushed) this.commit();
  }

  sendSound(pcm) {
    // A line that does not take sound in time is no good for talking: better a gap.
    if (this.isOpen && this.socket.bufferedAmount < 96000) this.socket.send(pcm);
  }

  /** End a turn of push to talk, when all of it was sent. */
  commit() {
    if (!this.releasing) return;
    this.releasing = false;
    this.send({ type: "commit" });
  }

  play(pcm) {
    const item = this.expected;
    if (!item || !this.player) return;
    this.playing = true;
    this.answer(item).received += pcm.byteLength / BYTES_PER_MS;
    this.player.port.postMessage({ pcm, item }, [pcm]);
  }

  /** Fall silent, and let the bridge know how much was heard. */
  silence() {
    this.flush({ response: this.response });
  }

  flush(telling = null) {
    this.expected = null;
    this.playing = false;
    // What was being made or played: of neither is anything heard any more.
    for (const each of [this.response, this.turn]) if (each) this.silenced.add(each);
    this.telling = telling;
    this.flushing += 1;
    if (this.player) this.player.port.postMessage({ flush: true });
    else this.onFlushed({ item: null, ms: 0 });
  }

  onFlushed({ item, ms }) {
    this.flushing -= 1;
    const answer = item ? this.answer(item) : null;
    const heard = Math.max(0, ms - this.latency);
    const response = this.telling?.response ?? answer?.response;
    if (this.telling && response) {
      this.send({
        type: "interrupt",
        response_id: response,
        item_id: item ?? undefined,
        ms: Math.round(heard),
      });
    }
    this.telling = null;
    if (answer) {
      answer.played = heard;
      answer.interrupted = true;
      this.show(answer);
    }
    this.setLevel({ said: 0 });
    // When all is silent: a context that runs keeps the loudspeaker, and the processor.
    if (!this.wanted && !this.flushing) this.context?.suspend();
  }

  onPlayed({ item, ms, level, idle }) {
    if (!item || this.flushing) return;
    this.setLevel({ said: level });
    const answer = this.answer(item);
    answer.played = idle ? ms : Math.max(0, ms - this.latency);
    this.playing = !idle;
    this.send({ type: "played", item_id: item, ms: Math.round(answer.played) });
    this.show(answer);
    this.update();
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

  /** Show what was written; it is pending for as long as it may get lost. */
  showText({ id, text }, { pending = true, failed = false } = {}) {
    const final = !pending || failed;
    this.emit("heard", { id, text, final, pending: !final, failed });
  }

  // The state: it follows from the facts, of which each has one place

  /** Tell the page if anything has changed that it may show. */
  update() {
    const state = this.findState();
    const words = this.findWords(state);
    const { turns, muted, pressed, hasMicrophone, isAsking } = this;
    const facts = [state, words, turns, muted, pressed, hasMicrophone, isAsking].join();
    if (facts === this.facts) return;
    this.facts = facts;
    this.state = state;
    this.emit("state", { state, words });
  }

  findState() {
    if (!this.wanted) return "off";
    if (!this.ready) return this.started ? "waiting" : "connecting";
    if (this.pressed || (this.speaking && !this.muted)) return "hearing";
    if (this.playing) return "speaking";
    const live = this.response && !this.silenced.has(this.response);
    return live || this.owed || this.hasCalls ? "thinking" : "listening";
  }

  get hasCalls() {
    return [...this.calls.values()].some(({ open }) => open);
  }

  findWords(state) {
    if (state !== "listening") return STATES[state];
    if (!this.hasMicrophone || this.turns === "push") return "Connected";
    if (this.muted) return "Muted";
    return this.microphone.silent ? "The microphone is silent" : STATES.listening;
  }

  // Small things

  /** Forget what was true of a connection. */
  reset() {
    this.ready = false; // whether the bridge has greeted
    this.pressed = false; // push to talk: whether the user speaks
    this.releasing = false; // and has just ended, of which the last piece is to come
    this.speaking = false; // open microphone: whether the bridge hears the user
    this.quiet = 0; // pieces of silence that are still to be sent
    this.owed = false; // whether an answer is to begin
    this.unwanted = false; // whether it shall not
    this.calls = new Map(); // of functions; an answer follows on those that are open
    this.response = null; // that is being made
    this.turn = null; // the response that is played
    this.silenced = new Set(); // responses that nobody listens to
    this.expected = null; // the item that the next sound belongs to
    this.playing = false;
  }

  get key() {
    return `realtime:${this.url.pathname}`;
  }

  remember(token) {
    if (token) this.storage?.setItem(this.key, token);
    else this.storage?.removeItem(this.key);
  }

  setLevel(levels) {
    Object.assign(this.levels, levels);
    this.emit("level", this.levels);
  }

  tell(about, words, code) {
    this.problems.delete(about);
    this.problems.set(about, { words, code });
    this.report();
  }

  forgive(...abouts) {
    const known = abouts.filter((about) => this.problems.delete(about));
    if (known.length) this.report();
  }

  /** Show the last of the problems that there are. */
  report() {
    this.emit("problem", [...this.problems.values()].at(-1) ?? { words: "", code: 0 });
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The microphone of one start: after each thing that takes time, it may be closed. */
class Microphone {
  constructor({ heard, lost, changed }) {
    this.heard = heard;
    this.lost = lost;
    this.changed = changed;
    this.ready = false;
    this.closed = false;
  }

  /** Ask for it, and begin to listen; with the *sound* of the loudspeaker's context. */
  async open(sound) {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: true, // or the model would interrupt itself
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
    const context = this.closed ? null : await sound;
    if (!this.closed) await this.listen(context);
    if (this.closed) this.close(); // what has come since
    else this.ready = true;
  }

  async listen(context) {
    const [track] = this.stream.getAudioTracks();
    track.onended = () => this.lost();
    track.onmute = track.onunmute = () => this.changed();
    try {
      await this.capture(context);
    } catch {
      // Some browsers do not take a microphone at another rate than their own.
      if (this.closed) return;
      this.ownContext = new AudioContext();
      await this.capture(this.ownContext);
    }
  }

  async capture(context) {
    this.source = context.createMediaStreamSource(this.stream);
    await context.audioWorklet.addModule(new URL("capture-worklet.js", HERE));
    this.node = new AudioWorkletNode(context, "realtime-capture", {
      numberOfOutputs: 0,
    });
    this.node.port.onmessage = ({ data }) => !this.closed && this.heard(data);
    this.source.connect(this.node);
  }

  /** Whether the system gives no sound, as with a switch at the microphone. */
  get silent() {
    return this.stream.getAudioTracks()[0].muted;
  }

  /** Have what there is of a piece. */
  flush() {
    this.node.port.postMessage("flush");
  }

  close() {
    this.closed = true;
    this.ready = false;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.source?.disconnect();
    this.node?.port.postMessage("end");
    this.ownContext?.close();
  }
}

function describe(error) {
  const words = {
    NotAllowedError:
      "The microphone may not be used. Allow it in the browser and turn it on, or write.",
    NotFoundError: "There is no microphone. Plug one in and turn it on, or write.",
    NotReadableError: "Another program uses the microphone. You can write.",
    SecurityError: "Browsers lend the microphone to https pages only. You can write.",
  };
  return words[error.name] ?? `There is no sound: ${error.message}`;
}
