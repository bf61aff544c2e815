import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { attachmentsOf, textOf } from './attachments.ts';
import type { Disk, Json } from './disk.ts';
import { Lanes } from './lanes.ts';
import { METHODS } from './methods.ts';
import { runModel } from './model.ts';
import { randomFrom } from './random.ts';
import type { FakeScript } from './script.ts';

export interface FakePodOptions {
  readonly disk: Disk;
  readonly script: FakeScript;
  readonly scriptPath: string;
  readonly session: string;
  readonly segment: string | null;
  readonly entries: Json[];
  readonly workspace: string;
}

type Status = 'idle' | 'running' | 'paused';

const INTERRUPT = "[The previous turn was interrupted by the user. The user's next request follows.]";

interface Method {
  readonly method: string;
  readonly params?: Json;
}

const methodIn = (line: string): Method | null => {
  try {
    return JSON.parse(line) as Method;
  } catch {
    return null;
  }
};

/** The state of a fake pod, its clients and its log. */
export class FakePod {
  readonly options: FakePodOptions;
  readonly random: () => number;
  entries: Json[];
  segment: string | null;
  status: Status = 'idle';
  /** The reason to stop the model, or null. */
  stop: 'cancel' | 'pause' | 'shutdown' | null = null;
  wake: () => void = () => {};
  inFlight: Json[] = [];
  /** Items that the next call of the model receives in addition. */
  notifications: Json[] = [];
  turn: number;
  onShutdown: () => void = () => {};
  readonly #clients = new Map<Socket, Lanes>();
  readonly #alerts: string[] = [];
  readonly #greeting: Json;
  #hasLostLine = false;
  #hasForked = false;
  #isInterrupted: boolean;
  #ts = 0;
  isShuttingDown = false;

  constructor(options: FakePodOptions) {
    this.options = options;
    this.random = randomFrom(options.script.seed ?? 1);
    this.entries = options.entries;
    this.segment = options.segment;
    this.turn = options.entries.filter(({ kind }) => kind === 'turn_end').length;
    const last = options.entries.findLast(({ kind }) => String(kind).startsWith('run_'));
    this.#isInterrupted = last?.interrupted === true;
    this.#greeting = {
      pod_name: options.disk.name,
      cwd: options.workspace,
      provider: 'anthropic',
      model: 'fake-model',
      scope_summary: `Writable:\n  - ${options.workspace}`,
      tools: ['Read'],
      context_window: 1_000,
      context_tokens: 0,
    };
    for (const message of options.script.alerts ?? []) this.alert(message);
  }

  get ts(): number {
    this.#ts = Math.max(this.#ts + 1, Date.now());
    return this.#ts;
  }

  connect(socket: Socket): void {
    const lanes = new Lanes(socket, this.random);
    socket.on('error', () => {});
    socket.on('close', () => this.#clients.delete(socket));
    for (const line of this.#alerts) socket.write(`${line}\n`);
    const data = {
      entries: this.entries,
      greeting: this.#greeting,
      status: this.status,
      ...(this.inFlight.length > 0 && { in_flight: { blocks: this.inFlight } }),
    };
    socket.write(`${JSON.stringify({ event: 'snapshot', data })}\n`);
    this.#clients.set(socket, lanes);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('utf8');
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') this.#take(socket, line);
    });
  }

  broadcast(lane: 'entry' | 'event', event: string, data?: Json): void {
    const line = JSON.stringify(data ? { event, data } : { event });
    for (const lanes of this.#clients.values()) lanes.push(lane, line);
  }

  alert(message: string): void {
    const data = { level: 'warn', source: 'pod', message, timestamp_ms: this.ts };
    this.#alerts.push(JSON.stringify({ event: 'alert', data }));
    this.broadcast('event', 'alert', data);
  }

  error(code: string, message: string): void {
    this.broadcast('event', 'error', { code, message });
  }

  setStatus(status: Status): void {
    this.status = status;
    this.options.disk.writeStatus(this.segment ?? '', status);
    this.broadcast('event', 'status', { status });
  }

  log(record: Json): void {
    const { kind, ...rest } = record;
    const entry = { kind, ts: this.ts, ...rest };
    this.entries.push(entry);
    if (this.segment !== null)
      this.options.disk.append(this.options.disk.logPath(this.options.session, this.segment), entry);
  }

  truncate(length: number): void {
    this.entries.length = length;
    if (this.segment !== null)
      this.options.disk.rewrite(this.options.disk.logPath(this.options.session, this.segment), this.entries);
  }

  /** Continues the log in a new segment. */
  rotate(origin: Json, history: readonly Json[]): void {
    const { disk, session, workspace } = this.options;
    this.segment = randomUUID();
    const config = {
      max_tokens: null,
      temperature: null,
      top_p: null,
      top_k: null,
      stop_sequences: [],
      reasoning: null,
    };
    this.entries = [];
    this.log({
      kind: 'segment_start',
      session_id: session,
      system_prompt: 'You are a fake.',
      config,
      history,
      ...origin,
    });
    disk.writeMetadata({
      pod_name: disk.name,
      active: { session_id: session, segment_id: this.segment },
      workspace_root: workspace,
    });
    disk.setSegment(this.segment);
    this.broadcast('entry', 'segment_rotated', { entry: this.entries[0] as Json });
  }

  compact(): void {
    this.broadcast('event', 'compact_start');
    const from = this.segment;
    this.rotate({ compacted_from: { segment_id: from, at_turn_index: this.turn } }, [
      { kind: 'message', role: 'system', content: [{ kind: 'text', text: '[Compacted context summary]' }] },
    ]);
    this.broadcast('event', 'compact_done', { new_segment_id: this.segment });
  }

  async begin(trigger: string, input: readonly Json[] | null): Promise<void> {
    this.setStatus('running');
    this.stop = null;
    const { compactsBeforeRunMs, forksBeforeRun } = this.options.script.switches ?? {};
    if (compactsBeforeRunMs !== undefined && this.segment !== null) {
      this.broadcast('event', 'compact_start');
      await delay(compactsBeforeRunMs);
      this.broadcast('event', 'compact_failed', { error: 'provider 429' });
    }
    if (input?.some(({ kind }) => kind === 'workflow_invoke')) {
      this.error('invalid_request', 'unknown workflow');
      return this.setStatus('idle');
    }
    if (this.segment === null) this.rotate({}, []);
    else if (forksBeforeRun && !this.#hasForked) this.#fork();
    if (this.#isInterrupted) this.closeInterrupted();
    const before = this.entries.length;
    this.log({ kind: 'invoke', trigger });
    this.broadcast('entry', 'invoke_start', { kind: trigger });
    if (input) {
      this.log({ kind: 'user_input', segments: input });
      this.broadcast('entry', 'user_message', { segments: input });
    }
    for (const item of attachmentsOf(input ?? [], this.options.workspace, (message) => this.alert(message))) {
      this.log({ kind: 'system_item', item });
      this.broadcast('entry', 'system_item', { item });
    }
    await this.work(textOf(input ?? []), before);
  }

  /** Continues in a fork, whose start has the conversation so far and the id of the source segment. */
  #fork(): void {
    this.#hasForked = true;
    const history = this.entries.flatMap(({ kind, segments, item }): readonly Json[] => {
      if (kind === 'assistant_item' || kind === 'tool_result') return [item as Json];
      if (kind !== 'user_input') return [];
      const text = textOf(segments as readonly Json[]);
      return [{ kind: 'message', role: 'user', content: [{ kind: 'text', text }] }];
    });
    this.rotate({ forked_from: { segment_id: this.segment, at_turn_index: this.turn } }, history);
  }

  async work(text: string, before: number): Promise<void> {
    const end = await runModel(this, text, before);
    this.#isInterrupted = end.isInterrupted;
    this.setStatus(end.status);
    if (this.isShuttingDown) await this.shutDown();
    else if (this.notifications.length > 0 && end.status === 'idle') await this.begin('notify', null);
  }

  closeInterrupted(): void {
    const answered = new Set(
      this.entries.flatMap(({ kind, item }) => (kind === 'tool_result' ? [(item as Json).call_id] : [])),
    );
    for (const { kind, item } of [...this.entries])
      if (
        kind === 'assistant_item' &&
        (item as Json).kind === 'tool_call' &&
        !answered.has((item as Json).call_id)
      )
        this.log({
          kind: 'tool_result',
          item: { kind: 'tool_result', call_id: (item as Json).call_id, summary: '[Interrupted by user]' },
        });
    const item = { kind: 'interrupt', body: INTERRUPT };
    this.log({ kind: 'system_item', item });
    this.broadcast('entry', 'system_item', { item });
    this.#isInterrupted = false;
  }

  #take(socket: Socket, line: string): void {
    const { losesLinesOver, ignoresEverything } = this.options.script.switches ?? {};
    const isLost = losesLinesOver !== undefined && line.length > losesLinesOver && !this.#hasLostLine;
    if (isLost) this.#hasLostLine = true;
    const method = isLost ? null : methodIn(line);
    if (!method) this.#refuseLine(socket);
    else if (!ignoresEverything || method.method === 'run') {
      const act = METHODS[method.method];
      if (act) act(this, method.params ?? {}, socket);
      else this.#refuseLine(socket);
    }
  }

  #refuseLine(socket: Socket): void {
    const data = { code: 'invalid_request', message: 'invalid method: unknown variant' };
    socket.write(`${JSON.stringify({ event: 'error', data })}\n`);
  }

  interrupt(stop: 'cancel' | 'pause' | 'shutdown'): void {
    this.stop = stop;
    this.wake();
  }

  async shutDown(): Promise<void> {
    const { slowShutdownMs, losesShutdownEvent } = this.options.script.switches ?? {};
    if (!losesShutdownEvent) this.broadcast('event', 'shutdown');
    if (slowShutdownMs !== undefined) await delay(slowShutdownMs);
    for (const lanes of this.#clients.values()) if (!losesShutdownEvent) lanes.flush();
    setImmediate(() => this.onShutdown());
  }
}
