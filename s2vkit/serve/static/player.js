// Plays one fragmented MP4 after another, close to its newest frame.
const LATE = 0.5; // s behind the newest frame, after which it is caught up with
const KEPT = 20; // s of the past that the browser keeps

export class Player {
  constructor(video) {
    this.video = video;
    this.waiting = [];
  }

  begin(mime) {
    this.leave();
    const source = new MediaSource();
    this.source = source;
    this.url = URL.createObjectURL(source);
    this.video.src = this.url;
    source.addEventListener("sourceopen", () => {
      if (source !== this.source) return;
      this.buffer = source.addSourceBuffer(mime);
      this.buffer.addEventListener("updateend", () => this.step());
      this.step();
    }, { once: true });
  }

  push(bytes) {
    this.waiting.push(bytes);
    this.step();
  }

  end() {
    this.ending = true;
    this.step();
  }

  leave() {
    this.waiting = [];
    this.ending = false;
    this.buffer = null;
    this.source = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }

  step() {
    if (!this.buffer || this.buffer.updating || this.source.readyState !== "open") return;
    this.follow();
    if (this.waiting.length) {
      this.buffer.appendBuffer(joined(this.waiting.splice(0)));
    } else if (this.video.currentTime > 2 * KEPT && this.buffer.buffered.start(0) < KEPT) {
      this.buffer.remove(0, this.video.currentTime - KEPT / 2);
    } else if (this.ending) {
      this.ending = false;
      this.source.endOfStream();
    }
  }

  follow() {
    const there = this.buffer.buffered;
    if (!there.length) return;
    const newest = there.end(there.length - 1);
    if (!this.ending && newest - this.video.currentTime > LATE) this.video.currentTime = newest - 0.1;
    if (this.video.paused) this.video.play().catch(() => {});
  }
}

export function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
