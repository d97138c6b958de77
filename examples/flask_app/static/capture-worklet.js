/**
 * The microphone: samples at the rate of the context become 16-bit PCM at 24 kHz, in
 * pieces of 40 ms, each posted with its level as {pcm, level}.
 *
 * It is told "flush", and posts at once what it has of a piece, with flushed: true; or
 * "end", after which it is no longer there.
 */
const RATE = 24000;
const PIECE = 960;
const HALF = 33; // of the filter's length, in samples at the lower of the two rates
const CUTOFF = 0.917; // of half the lower rate: what is above it would come back below

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    const rate = Math.round(sampleRate);
    const common = divisor(rate, RATE);
    const lower = Math.min(rate, RATE);
    // An output lies *phase* / *up* of an input sample behind the middle of *past*.
    this.up = RATE / common;
    this.down = rate / common;
    this.phase = 0;
    const half = Math.ceil((HALF * rate) / lower);
    this.kernels = Array.from({ length: rate === RATE ? 0 : this.up }, (_, phase) =>
      kernel(half, phase / this.up, (CUTOFF * lower) / rate),
    );
    this.past = new Float32Array(2 * half);
    this.oldest = 0; // in *past*, which is a ring
    this.begin();
    this.ended = false;
    this.port.onmessage = ({ data }) => {
      if (data === "flush") this.post(true);
      else this.end();
    };
  }

  process(inputs) {
    for (const sample of inputs[0][0] ?? []) {
      if (this.kernels.length) this.resample(sample);
      else this.add(sample);
    }
    return !this.ended;
  }

  resample(sample) {
    this.past[this.oldest] = sample;
    this.oldest = (this.oldest + 1) % this.past.length;
    for (; this.phase < this.up; this.phase += this.down) {
      this.add(this.filter(this.kernels[this.phase]));
    }
    this.phase -= this.up;
  }

  filter(weights) {
    const { past, oldest } = this;
    const first = past.length - oldest;
    let sum = 0;
    for (let i = 0; i < first; i++) sum += past[oldest + i] * weights[i];
    for (let i = first; i < past.length; i++) sum += past[i - first] * weights[i];
    return sum;
  }

  add(sample) {
    const limited = Math.max(-1, Math.min(1, sample));
    this.piece[this.filled++] = Math.round(limited * 32767);
    this.energy += limited * limited;
    if (this.filled === PIECE) this.post(false);
  }

  post(flushed) {
    const pcm = this.piece.buffer.slice(0, 2 * this.filled);
    const level = Math.sqrt(this.energy / Math.max(1, this.filled));
    this.port.postMessage({ pcm, level, flushed }, [pcm]);
    this.begin();
  }

  end() {
    this.ended = true;
    this.port.close(); // an open one keeps both of its ends
  }

  begin() {
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.energy = 0;
  }
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

/** A low-pass filter, a sinc in Blackman's window, for *shift* behind the middle. */
function kernel(half, shift, cutoff) {
  const weights = Float32Array.from({ length: 2 * half }, (_, i) => {
    const x = i - (half - 1) - shift;
    const turn = (Math.PI * x) / half;
    const window = 0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn);
    return x ? (Math.sin(Math.PI * cutoff * x) / (Math.PI * x)) * window : cutoff;
  });
  const sum = weights.reduce((total, weight) => total + weight);
  return weights.map((weight) => weight / sum);
}

registerProcessor("realtime-capture", Capture);
