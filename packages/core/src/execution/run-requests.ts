import type { Clock } from '../contracts/clock.ts';
import type { Answer, OpenCall, Question } from '../contracts/engine.ts';
import type { EventData, NewEvent } from '../contracts/event.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { invalidRequest, RuntimeError } from '../contracts/runtime-error.ts';
import { openRequest, resolveRequest } from '../domain/decide.ts';
import type { AnsweredRequest, CurrentRun, WorkerState } from '../domain/state.ts';
import { mintId } from '../id.ts';
import type { Patience } from '../journal/patience.ts';
import { publicText } from '../plugin-kit/public-text.ts';
import { checkedQuestion } from './engine-output.ts';
import type { RecorderHost } from './output-recorder.ts';

/** The part of an execution that the requests of a run use. */
interface RequestsHost extends RecorderHost {
  readonly services: RecorderHost['services'] & { readonly clock: Clock };
  /** Commits with retries. Never rejects; see `Journal.persist`. */
  persist(decide: (state: WorkerState) => readonly NewEvent[]): Promise<RuntimeError | null>;
}

/** An open request, as the run that asked it waits for the answer. */
interface Asked {
  readonly resolve: (answer: Answer) => void;
  readonly checkValue: Question['checkValue'];
}

type EndedBy = 'cancel' | 'timeout' | 'restart';

/** True if two questions are the same one: they are about the same call, or ask the same about none. */
const isSame = (
  a: Pick<OpenRequest, 'kind' | 'prompt' | 'call'>,
  b: Pick<OpenRequest, 'kind' | 'prompt' | 'call'>,
): boolean => a.kind === b.kind && a.call === b.call && (a.call !== null || a.prompt === b.prompt);

/**
 * The requests of one run: those that its engine asked, and those that earlier executions of the run left open or had
 * answered. A question that an earlier execution has asked is not asked a second time.
 */
export class RunRequests {
  readonly #current: CurrentRun;
  readonly #host: RequestsHost;
  readonly #patience: Patience;
  readonly #opened: () => void;
  /** The open requests of this run. */
  readonly #asked = new Map<string, Asked>();
  /** The open requests of earlier executions that this one has not asked for yet. */
  readonly #inherited: Map<string, OpenRequest>;
  /** The answers to requests of earlier executions that this one has not asked for yet. */
  readonly #answers: AnsweredRequest[];
  /** The reason why requests get no answer any more; null while they do. */
  #endedBy: 'cancel' | 'restart' | null = null;
  #isFenced = false;

  /** `opened` is called when a request was opened. */
  constructor(current: CurrentRun, host: RequestsHost, patience: Patience, opened: () => void) {
    this.#current = current;
    this.#host = host;
    this.#patience = patience;
    this.#opened = opened;
    this.#inherited = new Map(host.worker.state.requests.map((request) => [request.requestId, request]));
    this.#answers = [...(current.answers ?? [])];
  }

  /** Returns the calls that earlier executions left without a result, each with what is known of its request. */
  openCalls(): readonly OpenCall[] {
    const { calls = [], answeredCalls = [] } = this.#current;
    const requests = [...this.#inherited.values(), ...this.#answers];
    return calls.map((call): OpenCall => {
      const about = requests.filter((request) => request.call === call);
      // a permission precedes its call, and a question comes during it
      const isMade =
        about.length > 0 ? about.some(({ kind }) => kind === 'question') : answeredCalls.includes(call);
      return { call, request: isMade ? 'answered' : about.length > 0 ? 'open' : 'none' };
    });
  }

  /** Answers all open requests with null, because the run was asked to end. */
  cancel(by: 'cancel' | 'restart'): void {
    this.#endedBy = by;
    for (const requestId of this.#asked.keys()) this.#resolve(requestId, by);
  }

  /** Answers all open requests with null, without an event, because no later answer can reach the engine. */
  fence(by: 'cancel' | 'restart'): void {
    this.#isFenced = true;
    for (const { resolve } of this.#asked.values()) resolve({ decision: null, by });
    this.#asked.clear();
  }

  /** Called when a request of this run is resolved. */
  answered(data: EventData['request.resolved']): void {
    // who answered is for people
    const { request, actor: _, ...answer } = data;
    this.#asked.get(request)?.resolve(answer);
    this.#asked.delete(request);
    const inherited = this.#inherited.get(request);
    if (!inherited) return;
    this.#inherited.delete(request);
    const { kind, prompt, call } = inherited;
    this.#answers.push({ kind, prompt, call, answer });
  }

  /** Checks the value that comes with an answer. @throws INVALID_REQUEST the engine does not take it */
  checkValue(requestId: string, value: JsonValue): void {
    const fault = this.#asked.get(requestId)?.checkValue?.(value) ?? null;
    if (fault !== null) throw invalidRequest([{ pointer: '/value', message: publicText(fault) }]);
  }

  /**
   * Asks a question, and resolves with its answer.
   * @throws as `Journal.commit` · EXECUTION_LOST · LIMIT_REACHED · EngineOutputError the question is invalid
   */
  async ask(question: Question): Promise<Answer> {
    const { runId } = this.#current;
    const { clock, limits } = this.#host.services;
    const { kind, prompt, call, options, schema, timeoutMs, checkValue, signal } = checkedQuestion(
      question,
      clock.now(),
      limits.eventBytes,
    );
    if (signal?.aborted) return { decision: null, by: 'cancel' };
    const asked = { kind, prompt, call: call ?? null };
    const earlier = this.#answers.findIndex((request) => isSame(request, asked));
    if (earlier >= 0) return (this.#answers.splice(earlier, 1)[0] as AnsweredRequest).answer;
    const open = [...this.#inherited.values()].find((request) => isSame(request, asked));
    if (open) {
      this.#inherited.delete(open.requestId);
      const answer = new Promise<Answer>((resolve) =>
        this.#asked.set(open.requestId, { resolve, checkValue }),
      );
      const restMs =
        open.expiresAt === null ? undefined : Math.max(0, Date.parse(open.expiresAt) - clock.now());
      return this.#answerOf(open.requestId, answer, restMs, signal);
    }
    const requestId = mintId('request');
    const expiresAt = timeoutMs === undefined ? null : new Date(clock.now() + timeoutMs).toISOString();
    const answer = new Promise<Answer>((resolve) => this.#asked.set(requestId, { resolve, checkValue }));
    try {
      await this.#host.commit(
        (state) => {
          if (this.#isFenced) throw new RuntimeError('EXECUTION_LOST');
          const request = { requestId, ...asked, options, schema, expiresAt };
          return openRequest(state, runId, request, limits);
        },
        { patience: this.#patience },
      );
    } catch (error) {
      this.#asked.delete(requestId);
      throw error;
    }
    // the run was asked to end while the request was being opened
    if (this.#endedBy !== null) this.#resolve(requestId, this.#endedBy);
    this.#opened();
    return this.#answerOf(requestId, answer, timeoutMs, signal);
  }

  async #answerOf(
    requestId: string,
    answer: Promise<Answer>,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { clock } = this.#host.services;
    const abort = (): void => this.#resolve(requestId, 'cancel');
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const cancelTimer =
      timeoutMs === undefined ? null : clock.after(timeoutMs, () => this.#resolve(requestId, 'timeout'));
    try {
      return await answer;
    } finally {
      cancelTimer?.();
      signal?.removeEventListener('abort', abort);
    }
  }

  #resolve(requestId: string, by: EndedBy): void {
    void this.#host.persist((state) =>
      state.requests.some((open) => open.requestId === requestId)
        ? resolveRequest(state, requestId, { decision: null, by })
        : [],
    );
  }
}
