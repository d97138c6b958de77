/**
 * The microphone: samples at the rate of the context become 16-bit PCM at 24 kHz, in
 * pieces of 40 ms, each posted with its level as {pcm, level}.
 */
const RATE = 24000;
const PIECE = 960;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE;
    this.position = 0; // of the next output sample, in input samples
    this.last = 0;
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.energy = 0;
  }

  process(inputs) {
    const input = inputs[0][0];
    if (!input) return true;
    // Between two samples the value lies on the line between them. Where the context
    // runs at 24 kHz, as it does in most browsers, nothing is changed.
    while (this.position < input.length) {
      const index = Math.floor(this.position);
      const before = index === 0 ? this.last : input[index - 1];
      const share = this.position - index;
      this.add(this.step === 1 ? input[index] : before + (input[index] - before) * share);
      this.position += this.step;
    }
    this.position -= input.length;
    this.last = input[input.length - 1];
    return true;
  }

  add(sample) {
    const limited = Math.max(-1, Math.min(1, sample));
    this.piece[this.filled++] = Math.round(limited * 32767);
    this.energy += limited * limited;
    if (this.filled < PIECE) return;
    const level = Math.sqrt(this.energy / PIECE);
    this.port.postMessage({ pcm: this.piece.buffer, level }, [this.piece.buffer]);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("realtime-capture", Capture);
