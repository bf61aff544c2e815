import type { Socket } from 'node:net';

/** The time for which no transfer is cut to make room for another one. */
const GRACE_MS = 1_000;

/** Bytes that the server holds for one client: an answer that the client has to read, or a body that it sends. */
export class Transfer {
  /** The bytes held. Only a ByteTotal sets it. */
  bytes = 0;
  /** The time of the last progress, as `performance.now()`. Only a ByteTotal sets it. */
  since = 0;
  readonly #socket: Socket;
  readonly #onCut: () => void;

  /** `onCut` is called before the client is disconnected. */
  constructor(socket: Socket, onCut: () => void) {
    this.#socket = socket;
    this.#onCut = onCut;
  }

  /** Disconnects the client. Returns its connection. */
  cut(): Socket {
    this.#onCut();
    // a reset also frees what the kernel holds for a client that does not read
    return this.#socket.resetAndDestroy();
  }
}

/**
 * The sum of the bytes of all transfers of a kind. At its limit the clients are disconnected that have made no progress
 * for the longest time, at least for a second. A client that makes no progress for `stallMs` is always disconnected.
 */
export class ByteTotal {
  readonly limit: number;
  readonly #stallMs: number | null;
  /** The transfers that wait for their clients, those without progress for the longest time first. */
  readonly #waiting = new Set<Transfer>();
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(limit: number, stallMs: number | null = null) {
    this.limit = limit;
    this.#stallMs = stallMs;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Returns true if further bytes fit into the limit, if need be after clients that stalled were disconnected. Any
   * number fits if there are no other bytes.
   */
  hasRoom(bytes: number, limit = this.limit): boolean {
    if (this.#fits(bytes, limit)) return true;
    const now = performance.now();
    for (const transfer of this.#waiting) {
      if (now - transfer.since < GRACE_MS) break;
      this.#cut(transfer);
      if (this.#fits(bytes, limit)) return true;
    }
    return false;
  }

  /** Disconnects the client that has made no progress for the longest time. Returns null if there is none. */
  readonly cutLongest = (): Socket | null => {
    const [transfer] = this.#waiting;
    if (transfer === undefined || performance.now() - transfer.since < GRACE_MS) return null;
    return this.#cut(transfer);
  };

  /** Sets the bytes that a transfer holds. It waits for its client from now on. */
  hold(transfer: Transfer, bytes: number): void {
    this.resize(transfer, bytes);
    this.progress(transfer);
  }

  /** Sets the bytes that a transfer holds. */
  resize(transfer: Transfer, bytes: number): void {
    this.#bytes += bytes - transfer.bytes;
    transfer.bytes = bytes;
  }

  /** Notes that the client has read or sent something. */
  progress(transfer: Transfer): void {
    transfer.since = performance.now();
    this.#waiting.delete(transfer);
    this.#waiting.add(transfer);
    if (this.#stallMs !== null && this.#timer === null)
      this.#timer = setTimeout(this.#checkSoon, this.#stallMs).unref();
  }

  /** Notes that the transfer no longer waits for its client. It holds its bytes still. */
  settle(transfer: Transfer): void {
    this.#waiting.delete(transfer);
  }

  /** Removes a transfer, which may be gone already. */
  release(transfer: Transfer): void {
    this.#waiting.delete(transfer);
    this.resize(transfer, 0);
  }

  #fits(bytes: number, limit: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= limit;
  }

  #cut(transfer: Transfer): Socket {
    this.release(transfer);
    return transfer.cut();
  }

  /** Checks after the pending events: after a blocked event loop they may report progress. */
  readonly #checkSoon = (): void => {
    setImmediate(this.#check);
  };

  readonly #check = (): void => {
    this.#timer = null;
    const stallMs = this.#stallMs ?? 0;
    const now = performance.now();
    for (const transfer of this.#waiting) {
      const leftMs = transfer.since + stallMs - now;
      if (leftMs > 0) {
        this.#timer = setTimeout(this.#checkSoon, leftMs).unref();
        return;
      }
      this.#cut(transfer);
    }
  };
}
