// One live session: the microphone to the server, the video back. docs/serve.md describes the messages.
const HANDSHAKE = 0, AUDIO = 1, VIDEO = 2, CONTROL = 3, METADATA = 4, ERROR = 5;
const BEHIND = 2_000_000; // bytes of speech that wait for the network
const text = new TextEncoder(), read = new TextDecoder();

export class Live {
  // `told` is called with ("begun" | "video" | "utterance" | "ended" | "interrupted" | "error" | "closed", facts)
  constructor(told, token) {
    this.told = told;
    this.token = token;
    this.sent = 0; // seconds of speech of this utterance
  }

  async start(wish) {
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: false, autoGainControl: true },
    });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("microphone.js");
    await this.context.resume();
    const protocols = ["s2vkit.v1", ...(this.token ? [`token.${this.token}`] : [])];
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/v1/live`, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () =>
      this.send(HANDSHAKE, text.encode(JSON.stringify({ ...wish, sample_rate: this.context.sampleRate })));
    this.socket.onmessage = (event) => this.receive(new Uint8Array(event.data));
    this.socket.onclose = () => {
      this.release();
      this.told("closed", {});
    };
  }

  receive(message) {
    const payload = message.subarray(1);
    if (message[0] === VIDEO) {
      this.told("video", payload);
      return;
    }
    if (![HANDSHAKE, METADATA, ERROR].includes(message[0])) return;
    const facts = JSON.parse(read.decode(payload));
    if (message[0] === HANDSHAKE) {
      this.listen();
      this.told("begun", facts);
    } else if (message[0] === METADATA) {
      this.told(facts.event, facts);
      if (facts.event === "ended" && this.stopping) this.socket.close();
    } else {
      this.told("error", facts);
    }
  }

  listen() {
    const source = this.context.createMediaStreamSource(this.stream);
    this.worklet = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    this.worklet.port.onmessage = (event) => this.speak(event.data);
    source.connect(this.worklet);
  }

  speak(samples) {
    if (this.stopping || this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > BEHIND) {
      this.told("error", { message: "The connection is too slow for live speech.", hint: "Use a recording." });
      this.socket.close();
      return;
    }
    const pcm = new DataView(new ArrayBuffer(2 * samples.length));
    samples.forEach((value, at) => pcm.setInt16(2 * at, Math.max(-1, Math.min(1, value)) * 32767, true));
    this.send(AUDIO, new Uint8Array(pcm.buffer));
    this.sent += samples.length / this.context.sampleRate;
  }

  interrupt() {
    this.sent = 0;
    this.send(CONTROL, text.encode("interrupt"));
  }

  stop() {
    this.stopping = true;
    this.release();
    if (this.socket?.readyState === WebSocket.OPEN) this.send(CONTROL, text.encode("finish"));
    else this.socket?.close();
  }

  send(kind, payload) {
    const message = new Uint8Array(1 + payload.length);
    message[0] = kind;
    message.set(payload, 1);
    this.socket.send(message);
  }

  release() {
    this.worklet?.disconnect();
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
