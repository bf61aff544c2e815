import type { Socket } from 'node:net';

/** The number of lines that a client may fall behind on one lane before it is disconnected. */
const MAX_LAG = 256;

/** Sends one client its two lanes. Each lane is in order; the order between the lanes is random. */
export class Lanes {
  readonly #socket: Socket;
  readonly #random: () => number;
  readonly #entry: string[] = [];
  readonly #event: string[] = [];
  #isPumping = false;

  constructor(socket: Socket, random: () => number) {
    this.#socket = socket;
    this.#random = random;
    socket.on('drain', () => this.#pump());
  }

  push(lane: 'entry' | 'event', line: string): void {
    const queue = lane === 'entry' ? this.#entry : this.#event;
    queue.push(line);
    if (queue.length > MAX_LAG) this.#socket.destroy();
    else if (!this.#isPumping) {
      this.#isPumping = true;
      setImmediate(() => this.#pump());
    }
  }

  /** Writes all queued lines immediately, before the process ends. */
  flush(): void {
    for (const line of [...this.#entry.splice(0), ...this.#event.splice(0)]) this.#socket.write(`${line}\n`);
  }

  #pump(): void {
    this.#isPumping = false;
    while (this.#entry.length + this.#event.length > 0) {
      if (this.#socket.destroyed || this.#socket.writableNeedDrain) return;
      const prefersEntry = this.#random() < 0.5;
      const queue =
        prefersEntry === this.#entry.length > 0 || this.#event.length === 0 ? this.#entry : this.#event;
      const line = (queue.length > 0 ? queue : queue === this.#entry ? this.#event : this.#entry).shift();
      this.#socket.write(`${line}\n`);
      // A later line on one lane can therefore overtake an earlier line on the other lane.
      if (this.#random() < 0.4) {
        this.#isPumping = true;
        setImmediate(() => this.#pump());
        return;
      }
    }
  }
}
