// The page: a microphone or a file goes in, the face is drawn.
"use strict";

const at = (id) => document.getElementById(id);
const WORKLET = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) { if (samples) this.port.postMessage(samples.slice()); return true; }
});`;
const CHUNK = 0.16; // s of a file that are drawn at once
let model = null, stopLast = async () => {};

function show(frame) {
  // Draws CHW in [-1, 1].
  const { size } = model.facts, pixels = new ImageData(size, size), plane = size * size;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = (frame[c * plane + i] + 1) * 127.5;
    pixels.data[4 * i + 3] = 255;
  }
  at("face").getContext("2d").putImageData(pixels, 0, 0);
}

function say(text) {
  at("status").textContent = text;
}

function chosen() {
  return Object.fromEntries([...document.querySelectorAll("#sides select")].map((one) => [one.name, one.value]));
}

async function samplesOf(file) {
  // Decodes a file to one channel at the model's rate.
  const rate = model.facts.sample_rate;
  const decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
  const context = new OfflineAudioContext(1, Math.ceil(decoded.duration * rate), rate);
  const source = new AudioBufferSourceNode(context, { buffer: decoded });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

async function drawAll(samples, take) {
  // Draws speech as fast as it goes; gives frames a second.
  const player = new Player(model, chosen()), piece = Math.round(CHUNK * model.facts.sample_rate);
  const begun = performance.now();
  for (let start = 0; start < samples.length; start += piece)
    for (const frame of await player.push(samples.subarray(start, start + piece))) await take(frame);
  for (const frame of await player.finish()) await take(frame);
  return (1000 * player.frames) / (performance.now() - begun);
}

async function playFile(file) {
  await stopLast();
  say("Reading …");
  const samples = await samplesOf(file), { facts } = model, frames = [];
  let ended = false;
  const context = new AudioContext();
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: facts.sample_rate, numberOfChannels: 1 });
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  stopLast = async () => { ended = true; await context.close(); stopLast = async () => {}; };
  let begun = null;
  const turn = () => {
    if (ended) return;
    const frame = begun === null ? 0 : Math.floor((context.currentTime - begun) * facts.fps);
    if (frames[frame]) show(frames[frame]);
    requestAnimationFrame(turn);
  };
  const rate = await drawAll(samples, async (frame) => {
    frames.push(frame);
    if (frames.length === Math.ceil(facts.fps) && begun === null) { begun = context.currentTime; source.start(); turn(); }
    if (frames.length % 8 === 0) await new Promise((done) => setTimeout(done)); // lets the page draw
  });
  if (begun === null) { begun = context.currentTime; source.start(); turn(); }
  say(`${frames.length} frames, drawn at ${rate.toFixed(0)} a second; shown at ${facts.fps}.`);
  return rate;
}

async function listen() {
  await stopLast();
  const { facts } = model, begun = performance.now();
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext({ sampleRate: facts.sample_rate });
  await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(WORKLET)}`);
  const tap = new AudioWorkletNode(context, "tap"), player = new Player(model, chosen());
  context.createMediaStreamSource(stream).connect(tap);
  let waiting = new Float32Array(0), busy = false, spent = 0, first = null;
  tap.port.onmessage = async ({ data }) => {
    waiting = joined(waiting, data);
    if (busy) return;
    busy = true;
    while (waiting.length) {
      const piece = waiting, start = performance.now();
      waiting = new Float32Array(0);
      const frames = await player.push(piece);
      spent += performance.now() - start;
      if (!frames.length) break;
      show(frames.at(-1));
      first ??= performance.now();
      const rate = (1000 * player.frames) / Math.max(1, performance.now() - first);
      say(`${rate.toFixed(1)} frames a second; computing takes ${(spent / player.frames).toFixed(1)} ms of each.`);
    }
    busy = false;
  };
  at("microphone").textContent = "Stop";
  say("Speak.");
  stopLast = async () => {
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
    at("microphone").textContent = "Use the microphone";
    stopLast = async () => {};
  };
}

function guarded(action) {
  return async (...given) => {
    try {
      await action(...given);
    } catch (error) {
      say(`That did not work: ${error.message}`);
    }
  };
}

function addSides() {
  for (const [side, labels] of Object.entries(model.facts.labels)) {
    const select = document.createElement("select"), label = document.createElement("label");
    select.name = side;
    select.append(new Option("as heard", ""), ...Object.keys(labels).map((name) => new Option(name, name)));
    label.append(side, select);
    at("sides").append(label);
  }
}

const opened = openModel(S2VKIT_RUNTIME, S2VKIT_MODEL).then((found) => {
  model = found;
  at("face").width = at("face").height = model.facts.size;
  addSides();
  at("microphone").disabled = at("file").disabled = false;
  say("Ready.");
});
guarded(() => opened)();
at("file").addEventListener("change", guarded(({ target }) => playFile(target.files[0])));
at("microphone").addEventListener("click", guarded(() => (at("microphone").textContent === "Stop" ? stopLast() : listen())));
