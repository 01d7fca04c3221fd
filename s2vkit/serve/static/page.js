import { Live } from "./live.js";
import { joined, Player } from "./player.js";

const KEPT = 200_000_000; // bytes of a live video that are kept to be downloaded
const find = (id) => document.getElementById(id);
const [video, speak, interrupt, make, file, download] =
  ["video", "speak", "interrupt", "make", "file", "download"].map(find);
const player = new Player(video);
let live = null, pieces = [], size = 0, busy = false;

const token = (() => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token");
})();
const headers = token ? { Authorization: `Bearer ${token}` } : {};

function say(words) {
  find("status").textContent = words;
}

function complain(error) {
  find("error").textContent = error ? [error.message, error.hint].filter(Boolean).join(" – ") : "";
  find("error").hidden = !error;
}

function wish() {
  const emotion = find("emotion").value, strength = find("strength").value / 100;
  const found = {};
  if (find("identity").value) found.identity = find("identity").value;
  if (emotion) found.emotion = strength < 1 ? `${emotion}=${strength}` : emotion;
  return found;
}

function offer(blob, name) {
  if (download.href) URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(blob);
  download.download = name;
  download.hidden = false;
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  throw said?.error ?? { message: `The server answered ${answer.status}.` };
}

function show() {
  speak.textContent = live ? "Stop" : "Start speaking";
  speak.disabled = busy || !canSpeak;
  interrupt.disabled = !live;
  make.disabled = busy || Boolean(live) || !file.files.length;
  find("wish").disabled = Boolean(live);
}

let canSpeak = false;
async function describe() {
  const [model] = (await (await ask("v1/models")).json()).data;
  find("model").textContent = `${model.id}: ${model.size} px, ${model.fps} frames a second`;
  for (const [id, names] of [["identity", model.identities], ["emotion", model.emotions]]) {
    find(id).append(...names.map((name) => new Option(name)));
  }
  const missing = !model.live ? "This model draws whole recordings only."
    : !navigator.mediaDevices || !window.MediaSource
      ? "This browser gives no microphone here: it needs this machine itself or https." : "";
  canSpeak = !missing;
  if (missing) find("live-hint").textContent = missing;
  const marks = model.marks.length ? `Videos are marked as generated: ${model.marks.join(" and ")}.` : "";
  const signed = model.marks.includes("signature") ? " What is drawn live bears the watermark alone." : "";
  find("marks").textContent = [marks + signed, ...model.notes].join(" ").trim();
  show();
}

function drawn(kind, facts) {
  if (kind === "utterance") {
    pieces = [];
    size = 0;
    video.muted = !find("sound").checked;
    video.controls = false;
    player.begin(facts.mime);
  } else if (kind === "video") {
    player.push(facts);
    size += facts.length;
    if (size <= KEPT) pieces.push(facts);
  } else if (kind === "begun") {
    say("Speak now.");
  } else if (kind === "ended") {
    player.end();
    video.controls = true;
    say(`Drawn: ${facts.frames} frames, ${facts.seconds.toFixed(1)} s.`);
    if (facts.frames && size <= KEPT) offer(new Blob([joined(pieces)], { type: "video/mp4" }), "live.mp4");
  } else if (kind === "interrupted") {
    say("Begun again. Speak now.");
  } else if (kind === "error") {
    complain(facts);
  } else if (kind === "closed") {
    live = null;
    show();
  }
}

function watch(now, frame) {
  if (live && live.sent > frame.mediaTime) {
    const delay = Math.round(1000 * (live.sent - frame.mediaTime));
    say(`Live: ${frame.mediaTime.toFixed(1)} s, the face ${delay} ms behind the voice.`);
  }
  video.requestVideoFrameCallback(watch);
}
if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(watch);

speak.addEventListener("click", async () => {
  if (live) {
    live.stop();
    return;
  }
  complain(null);
  download.hidden = true;
  live = new Live(drawn, token);
  show();
  try {
    say("Waiting for the microphone…");
    await live.start(wish());
  } catch (error) {
    live.release();
    live = null;
    say("Nothing drawn.");
    complain({ message: `The microphone cannot be used: ${error.message}.` });
  }
  show();
});

interrupt.addEventListener("click", () => live?.interrupt());

make.addEventListener("click", async () => {
  complain(null);
  busy = true;
  show();
  say("Drawing the recording…");
  try {
    const answer = await ask(`v1/videos?${new URLSearchParams(wish())}`, { method: "POST", body: file.files[0] });
    const blob = await answer.blob();
    player.leave();
    offer(blob, "video.mp4");
    video.src = download.href;
    video.muted = false;
    video.controls = true;
    say(`Drawn: ${answer.headers.get("X-S2vkit-Frames")} frames.`);
    await video.play().catch(() => {});
  } catch (error) {
    say("Nothing drawn.");
    complain(error);
  }
  busy = false;
  show();
});

file.addEventListener("change", show);
find("sound").addEventListener("change", (event) => { video.muted = !event.target.checked; });
find("strength").addEventListener("input", (event) => { find("percent").textContent = event.target.value; });
find("emotion").addEventListener("change", (event) => { find("strength").disabled = !event.target.value; });
describe().catch((error) => {
  find("model").textContent = "The server describes no model.";
  complain(error);
});
