// What is done to speech before it is encoded: s2vkit/speech/live.py and level.py, for a browser.
"use strict";

const BAND = [300, 3400], WINDOW = 0.025, DECISIONS = 100, FLOOR = 1e-10;
const HANGOVER = 20, RISE = 0.03, FALL = 0.01, QUIET = -70, MAX_GAIN = 60;
const FIRST_STEP = 3, LAST_STEP = 0.1, QUANTILE = 0.8, BELOW = 30, SHARE = 0.4, CORNER = 40, KNEE = 0.5;

class OffsetFilter {
  constructor(rate) {
    this.pole = Math.exp((-2 * Math.PI * CORNER) / rate);
    this.last = null;
  }

  push(speech) {
    let [before, out] = this.last ?? [speech[0], 0];
    const factor = (1 + this.pole) / 2;
    const filtered = Float32Array.from(speech, (x) => {
      out = factor * (x - before) + this.pole * out;
      before = x;
      return out;
    });
    this.last = [before, out];
    return filtered;
  }
}

class BandPower {
  constructor(rate) {
    this.hop = Math.round(rate / DECISIONS);
    this.width = Math.round(rate * WINDOW);
    this.kept = new Float32Array((this.width - this.hop) >> 1);
    const taper = Float64Array.from({ length: this.width }, (_, n) =>
      0.5 - 0.5 * Math.cos((2 * Math.PI * n) / (this.width - 1)));
    const size = taper.reduce((sum, x) => sum + x * x, 0);
    this.scale = 2 / (this.width * size);
    this.waves = [];
    for (let k = 0; k <= this.width / 2; k++) {
      const hertz = (k * rate) / this.width;
      if (hertz < BAND[0] || hertz > BAND[1]) continue;
      const angle = (n) => (2 * Math.PI * ((k * n) % this.width)) / this.width;
      this.waves.push(taper.map((x, n) => x * Math.cos(angle(n))), taper.map((x, n) => x * Math.sin(angle(n))));
    }
  }

  push(speech) {
    const all = joined(this.kept, speech), powers = [];
    let start = 0;
    for (; start + this.width <= all.length; start += this.hop) {
      let power = 0;
      for (const wave of this.waves) {
        let sum = 0;
        for (let n = 0; n < this.width; n++) sum += wave[n] * all[start + n];
        power += sum * sum;
      }
      powers.push(10 * Math.log10(this.scale * power + FLOOR));
    }
    this.kept = all.slice(start);
    return powers;
  }
}

class Entrance {
  // Brings speech to the encoder's level and finds the voice in it, from the past alone.
  constructor(rate, level) {
    Object.assign(this, { level, floor: 0, peak: -200, quiet: HANGOVER + 1, voiced: 0, decibels: level });
    this.filter = new OffsetFilter(rate);
    this.meter = new BandPower(rate);
    this.decisions = [[1, false], [1, false]];
    this.samples = this.first = 0;
  }

  push(speech) {
    if (this.level === null || !speech.length) return { speech, voice: speech };
    for (const power of this.meter.push(speech)) this.decide(power);
    const hop = this.meter.hop, voice = [];
    const prepared = this.filter.push(speech).map((x, i) => {
      const [gain, active] = this.decisions[Math.floor((this.samples + i) / hop) - this.first];
      const y = limited(x * gain);
      if (active) voice.push(y);
      return y;
    });
    this.samples += speech.length;
    const done = Math.floor(this.samples / hop) - this.first;
    this.decisions.splice(0, done);
    this.first += done;
    return { speech: prepared, voice: Float32Array.from(voice) };
  }

  decide(power) {
    this.floor = Math.min(power, this.floor + RISE);
    this.peak = Math.max(power, this.peak - FALL);
    const threshold = Math.max(this.peak - BELOW, this.floor + SHARE * (this.peak - this.floor));
    const loud = power >= Math.max(threshold, QUIET);
    this.quiet = loud ? 0 : this.quiet + 1;
    if (loud) {
      if (!this.voiced) this.decibels = power;
      const step = Math.max(LAST_STEP, FIRST_STEP / (1 + this.voiced / 10));
      this.decibels += step * (power > this.decibels ? QUANTILE : QUANTILE - 1);
      this.voiced += 1;
    }
    const gain = 10 ** (Math.min(this.level - this.decibels, MAX_GAIN) / 20);
    this.decisions.push([gain, this.quiet <= HANGOVER]);
  }
}

function limited(x) {
  const size = Math.abs(x);
  return size > KNEE ? Math.sign(x) * (KNEE + (1 - KNEE) * Math.tanh((size - KNEE) / (1 - KNEE))) : x;
}

function joined(a, b) {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
