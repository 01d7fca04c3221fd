// An exported model at work: speech in pieces of any length becomes frames.
"use strict";

const UNKNOWN = 2 ** 40; // samples: the length of an utterance that goes on
const ARRAYS = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array };

function even(x) {
  // Rounds halves to even, as Python does.
  return x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
}

async function unpack(text) {
  // base64 of gzip to bytes
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function openModel(runtime, model) {
  // Opens what runtime.js and model.js hold; nothing is fetched.
  const source = new Blob([await unpack(runtime.module)], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(source));
  Object.assign(ort.env.wasm, { wasmBinary: await unpack(runtime.wasm), numThreads: 1 });
  const sessions = {};
  for (const [name, data] of Object.entries(model.files))
    sessions[name] = await ort.InferenceSession.create(await unpack(data));
  return { ort, sessions, facts: model.facts };
}

class EncoderStream {
  constructor(model) {
    const { encoder } = model.facts;
    Object.assign(this, { model, encoder, late: encoder.late, taken: 0, given: 0, summary: null });
    this.pending = new Float32Array(0);
    this.state = Object.fromEntries(encoder.state.map(({ name, shape, type }) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, new model.ort.Tensor(type, new ARRAYS[type](size), shape)];
    }));
  }

  async push(speech, total = UNKNOWN) {
    // Gives the features that are complete now, each a Float32Array.
    const { encoder, model: { ort, sessions } } = this, steps = [];
    if (total === UNKNOWN) this.taken += speech.length;
    this.pending = joined(this.pending, speech);
    for (; this.pending.length >= encoder.samples; this.pending = this.pending.slice(encoder.samples)) {
      const found = await sessions.encoder.run({
        speech: new ort.Tensor("float32", this.pending.slice(0, encoder.samples), [1, encoder.samples]),
        total: new ort.Tensor("int64", BigInt64Array.of(BigInt(total)), [1]),
        ...this.state,
      });
      for (const { name } of encoder.state) this.state[name] = found[`next_${name}`];
      this.summary = found.summary;
      for (let at = 0; at < found.features.data.length; at += encoder.dim)
        if (this.late > 0) this.late -= 1;
        else steps.push(found.features.data.slice(at, at + encoder.dim));
    }
    this.given += steps.length;
    return steps;
  }

  async finish() {
    // The last features; zeros are pushed until they have come.
    const { encoder, model: { facts } } = this, steps = [];
    const total = Math.max(this.taken, encoder.least);
    const wanted = Math.floor((total * encoder.rate) / facts.sample_rate) - this.given;
    while (steps.length < wanted || this.pending.length)
      steps.push(...(await this.push(new Float32Array(encoder.samples - this.pending.length), total)));
    return steps.slice(0, wanted);
  }
}

class Player {
  // One utterance. `chosen` maps a side to the label whose code is used; else the code is heard.
  constructor(model, chosen = {}) {
    const { facts } = model;
    Object.assign(this, { model, facts, chosen, frames: 0, samples: 0, steps: [], first: 0, spoke: false });
    this.entrance = new Entrance(facts.sample_rate, facts.level);
    this.speech = new EncoderStream(model);
    this.voice = new EncoderStream(model);
    this.heard = Object.keys(facts.codes).some((side) => !chosen[side]);
  }

  async push(samples) {
    // Takes Float32Array samples at the model's rate; gives the frames that are due, each CHW in [-1, 1].
    if (!samples.length) return [];
    const { speech, voice } = this.entrance.push(samples);
    this.samples += samples.length;
    if (this.heard && voice.length && (await this.voice.push(voice)).length) this.spoke = true;
    this.steps.push(...(await this.speech.push(speech)));
    return this.draw(Math.min(this.most(), this.ready()));
  }

  async finish() {
    this.steps.push(...(await this.speech.finish()));
    return this.steps.length ? this.draw(this.most()) : [];
  }

  most() {
    return Math.max(1, even((this.samples / this.facts.sample_rate) * this.facts.fps));
  }

  ready() {
    // Counts the frames, from the first, whose every step has come.
    const { encoder, alignment, fps } = this.facts;
    const seconds = (this.first + this.steps.length - 0.5) / encoder.rate - alignment.shift;
    return Math.floor(seconds * fps + (alignment.mode === "linear" ? 0.5 : 0) - 1e-6);
  }

  async draw(stop) {
    const count = stop - this.frames;
    if (count <= 0) return [];
    const { ort, sessions } = this.model, { dim } = this.facts.encoder;
    const features = new Float32Array(count * dim);
    for (let v = 0; v < count; v++) features.set(this.aligned(this.frames + v), v * dim);
    const inputs = { features: new ort.Tensor("float32", features, [1, count, dim]), ...(await this.codes()) };
    const { frames } = await sessions.generator.run(inputs);
    this.frames = stop;
    this.forget();
    const size = frames.data.length / count;
    return Array.from({ length: count }, (_, v) => frames.data.slice(v * size, (v + 1) * size));
  }

  aligned(frame) {
    // The feature of a frame, as s2vkit.interfaces.batch.align has it.
    const { encoder: { rate, dim }, alignment, fps } = this.facts, last = this.steps.length - 1;
    const inside = (step) => Math.min(last, Math.max(0, step));
    const begin = frame / fps + alignment.shift;
    if (alignment.mode === "mean") {
      const low = inside(even(begin * rate) - this.first);
      const high = Math.max(low + 1, Math.min(last + 1, even((begin + 1 / fps) * rate) - this.first));
      const sum = new Float32Array(dim);
      for (let step = low; step < high; step++) this.steps[step].forEach((x, i) => (sum[i] += x / (high - low)));
      return sum;
    }
    const at = inside(Math.max(0, (begin + 0.5 / fps) * rate - 0.5) - this.first);
    const low = Math.floor(at), part = at - low, next = this.steps[inside(low + 1)];
    return this.steps[low].map((x, i) => x * (1 - part) + next[i] * part);
  }

  async codes() {
    const { ort, sessions } = this.model, found = {};
    const summary = (this.spoke ? this.voice : this.speech).summary;
    for (const [side, dim] of Object.entries(this.facts.codes)) {
      const label = this.chosen[side];
      found[side] = label
        ? new ort.Tensor("float32", Float32Array.from(this.facts.labels[side][label]), [1, dim])
        : (await sessions[`student.${side}`].run({ summary })).code;
    }
    return found;
  }

  forget() {
    const { encoder: { rate }, alignment, fps } = this.facts;
    const done = Math.floor((this.frames / fps + alignment.shift) * rate) - 2 - this.first;
    const drop = Math.min(Math.max(0, done), this.steps.length - 1);
    this.steps.splice(0, drop);
    this.first += drop;
  }
}
