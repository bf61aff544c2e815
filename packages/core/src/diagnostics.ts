import type { Clock } from './contracts/clock.ts';
import type { Severity } from './contracts/event.ts';
import type { JsonObject } from './contracts/json.ts';
import type { Logger } from './contracts/logger.ts';
import type { Page, PageQuery } from './contracts/page.ts';
import { RuntimeError } from './contracts/runtime-error.ts';
import type { Diagnostic } from './contracts/runtime-summary.ts';
import { mintId } from './id.ts';
import { decodeDiagnosticsCursor, encodeDiagnosticsCursor, START } from './log/cursor.ts';

/** A problem that the runtime survived. All fields except `cause` are public. */
export interface Report {
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
  readonly worker?: string;
  readonly details?: JsonObject;
  /** For the operator's log only. */
  readonly cause?: unknown;
}

const LEVEL = { info: 'info', warning: 'warn', error: 'error' } as const;

/** Keeps the last diagnostics. Logs each with its cause, under the correlation id that the diagnostic shows. */
export class Diagnostics {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #limit: number;
  readonly #listener: (diagnostic: Diagnostic) => void;
  #kept: Diagnostic[] = [];
  #count = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly limit: number;
    readonly listener: (diagnostic: Diagnostic) => void;
  }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limit = options.limit;
    this.#listener = options.listener;
  }

  get size(): number {
    return Math.min(this.#kept.length, this.#limit);
  }

  readonly report = ({ severity, code, message, worker, details = {}, cause }: Report): void => {
    this.#count += 1;
    const correlationId = mintId('err');
    const time = new Date(this.#clock.now()).toISOString();
    const diagnostic: Diagnostic = {
      id: this.#count,
      time,
      severity,
      code,
      message,
      worker: worker ?? null,
      details,
      correlationId,
    };
    this.#kept.push(diagnostic);
    // half is removed at once, so that many diagnostics in a row stay cheap
    if (this.#kept.length >= this.#limit * 2) this.#kept = this.#kept.slice(-this.#limit);
    this.#log[LEVEL[severity]]({ code, worker, ...details, correlationId, err: cause }, message);
    this.#listener(diagnostic);
  };

  /** Returns a page, newest first. @throws CURSOR_INVALID · CURSOR_FOREIGN · CURSOR_EXPIRED the position was removed */
  page({ after }: PageQuery, limit: number): Page<Diagnostic> {
    const kept = this.#kept.slice(-this.#limit);
    const oldest = kept[0]?.id ?? this.#count + 1;
    const from = decodeDiagnosticsCursor(after);
    if (from !== null && from < oldest) throw new RuntimeError('CURSOR_EXPIRED');
    if (from !== null && from > this.#count) throw new RuntimeError('CURSOR_FOREIGN');
    const before = from ?? this.#count + 1;
    const items = kept
      .filter((diagnostic) => diagnostic.id < before)
      .slice(-limit)
      .reverse();
    const last = items.at(-1)?.id ?? before;
    const cursor = last > this.#count ? START : encodeDiagnosticsCursor(last);
    return { items, next: last > oldest && items.length > 0 ? cursor : null, asOf: cursor };
  }
}
