/**
 * The loudspeaker: plays what it is given, tells how far it is, and falls silent at once.
 *
 * It is told {pcm, item} (16-bit PCM at 24 kHz) and {flush: true}. It posts
 * {item, ms, level, idle} about every 50 ms while it plays, and {flushed, item, ms} when
 * it has fallen silent: *ms* of *item* were played, or item is null if nothing was.
 */
const RATE = 24000;
const FADE = 96; // samples, 4 ms: shorter than a click is long

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = RATE / sampleRate;
    this.queue = []; // of {samples, item}
    this.position = 0; // in the samples of the first of the queue
    this.item = null;
    this.played = 0; // samples of the item
    this.since = 0;
    this.energy = 0;
    this.wasIdle = true;
    this.port.onmessage = ({ data }) => (data.flush ? this.flush() : this.add(data));
  }

  add({ pcm, item }) {
    this.queue.push({ samples: new Int16Array(pcm), item });
  }

  flush() {
    const item = this.queue.length ? this.item ?? this.queue[0].item : null;
    this.port.postMessage({ flushed: true, item, ms: item ? this.ms : 0 });
    // A fade instead of a cut, which would click.
    const rest = this.queue.length ? this.queue[0].samples : new Int16Array(0);
    const start = Math.floor(this.position);
    const fade = rest.slice(start, start + FADE).map((s, i) => s * (1 - i / FADE));
    this.queue = fade.length ? [{ samples: fade, item: null }] : [];
    this.position = 0;
    this.item = null;
    this.played = 0;
  }

  get ms() {
    return Math.round((this.played / RATE) * 1000);
  }

  process(inputs, outputs) {
    const channels = outputs[0];
    const output = channels[0];
    for (let i = 0; i < output.length; i++) output[i] = this.next();
    for (const channel of channels.slice(1)) channel.set(output);
    this.report(output);
    return true;
  }

  next() {
    while (this.queue.length) {
      const { samples, item } = this.queue[0];
      const index = Math.floor(this.position);
      if (index < samples.length) {
        if (item !== this.item) {
          this.item = item;
          this.played = 0;
        }
        const after = samples[Math.min(index + 1, samples.length - 1)];
        const share = this.position - index;
        this.position += this.step;
        this.played += this.step;
        return (samples[index] + (after - samples[index]) * share) / 32768;
      }
      this.position -= samples.length;
      this.queue.shift();
    }
    return 0;
  }

  report(output) {
    for (const sample of output) this.energy += sample * sample;
    this.since += output.length;
    const idle = !this.queue.length;
    if (this.since < sampleRate / 20 && idle === this.wasIdle) return;
    if (!(idle && this.wasIdle)) {
      const level = Math.sqrt(this.energy / this.since);
      const { item, ms } = this;
      this.port.postMessage({ item, ms, level: idle ? 0 : level, idle });
    }
    this.wasIdle = idle;
    this.since = 0;
    this.energy = 0;
  }
}

registerProcessor("realtime-player", Player);
