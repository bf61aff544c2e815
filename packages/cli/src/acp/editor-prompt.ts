import { randomUUID } from 'node:crypto';
import {
  type AgentContext,
  methods,
  type PermissionOptionKind,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import type { PromptResponse } from '@agentclientprotocol/sdk/unstable';
import type { RuntimeClient } from '@worker-runtime/client';
import type { EventData, Observation, WorkerEvent, WorkerInput } from '@worker-runtime/core';
import type { OptionKind } from '@worker-runtime/core/plugin-kit';
import { requestOptionOf } from '@worker-runtime/core/views';
import { editorBlock } from './editor-blocks.ts';
import { editorFailure, RUNTIME_ERROR } from './editor-failure.ts';
import { RunUsage } from './run-usage.ts';
import { WorkerSpeech } from './worker-speech.ts';

const EDITOR_KINDS: Readonly<Record<OptionKind, PermissionOptionKind>> = {
  'allow-once': 'allow_once',
  'allow-always': 'allow_always',
  'reject-once': 'reject_once',
  'reject-always': 'reject_always',
};

/**
 * Guesses the kind of an option from its words, where the engine does not say it. Editors need a kind. An option that may
 * reach further than this time is never called one for this time, because an editor may choose that on its own.
 */
const kindOf = (option: string): PermissionOptionKind => {
  const isAlways = /always|all\b|session|remember|remainder|rest of|from now|don.?t ask|never ask/i.test(
    option,
  );
  if (/^(allow|yes|ok|accept|approve|always)/i.test(option)) return isAlways ? 'allow_always' : 'allow_once';
  return isAlways ? 'reject_always' : 'reject_once';
};

/** Returns the part of an observation that is about a run, or null. */
const ofRun = (item: Observation, runId: string): Observation | null => {
  if (item.type === 'event') return item.event.run === runId ? item : null;
  if (item.type === 'delta') return item.run === runId ? item : null;
  if (item.type !== 'in-flight') return item;
  return { ...item, messages: item.messages.filter(({ run }) => run === runId) };
};

/** A prompt of an editor. Sends it as an input and reports its run to the editor until the run ends. */
export class EditorPrompt {
  readonly #client: RuntimeClient;
  readonly #editor: AgentContext;
  readonly #workerId: string;
  /** The requests that the editor shows, by id. Each is cancelled when another client answers it. */
  readonly #requests = new Map<string, AbortController>();
  readonly #ended = new AbortController();
  readonly #usage = new RunUsage();
  #startedRun: string | null = null;
  #isCancelled = false;

  constructor(client: RuntimeClient, editor: AgentContext, workerId: string) {
    this.#client = client;
    this.#editor = editor;
    this.#workerId = workerId;
  }

  /**
   * Sends the prompt and resolves when its run ends. A prompt during another run waits for the end of that run.
   * @throws RequestError the run failed
   */
  async run(parts: Extract<WorkerInput, { readonly parts: unknown }>['parts']): Promise<PromptResponse> {
    const { runId, cursor } = await this.#client.sendInput(
      this.#workerId,
      { parts, whenBusy: 'queue' },
      { idempotencyKey: `acp-${randomUUID()}` },
    );
    try {
      return await this.#follow(runId, cursor);
    } finally {
      this.#ended.abort();
      for (const request of this.#requests.values()) request.abort();
    }
  }

  /**
   * Ends the run. Until it has started, ends the run that is active instead, for which it waits, and this one as soon as it
   * starts.
   */
  async cancel(): Promise<void> {
    this.#isCancelled = true;
    const runId = this.#startedRun;
    await this.#client.cancelRun(this.#workerId, runId === null ? {} : { runId }).catch((error: unknown) => {
      // The run has ended in the meantime, and the next one must not be cancelled.
      if ((error as { readonly code?: unknown }).code !== 'RUN_MISMATCH') throw error;
    });
  }

  async #follow(runId: string, after: string): Promise<PromptResponse> {
    const speech = new WorkerSpeech((file) => editorBlock(file, this.#client, this.#workerId));
    const { signal } = this.#ended;
    for await (const observed of this.#client.observe(this.#workerId, {
      after,
      acrossRestarts: true,
      signal,
    })) {
      if (observed.type === 'ended') throw editorFailure(observed.code, `the stream ended: ${observed.code}`);
      // other runs of the Worker do not answer this prompt
      const item = ofRun(observed, runId);
      if (item === null) continue;
      for await (const update of speech.updates(item))
        await this.#editor.notify(methods.client.session.update, { sessionId: this.#workerId, update });
      if (item.type !== 'event') continue;
      const { event } = item;
      if (event.type === 'run.started') {
        this.#startedRun = runId;
        if (this.#isCancelled) await this.cancel();
      }
      if (event.type === 'usage.recorded') this.#usage.add(event.data);
      this.#ask(event);
      if (event.type === 'run.finished') return { ...responseTo(event.data), ...this.#usage.response };
    }
    throw editorFailure(null, 'the stream of the Worker ended');
  }

  /** Shows a request of the run in the editor, and withdraws it when another client has answered it. */
  #ask(event: WorkerEvent): void {
    if (event.type === 'request.resolved') this.#requests.get(event.data.request)?.abort();
    if (event.type !== 'request.opened') return;
    const { request, prompt, call = request, options } = event.data;
    const cancellation = new AbortController();
    this.#requests.set(request, cancellation);
    const permission: RequestPermissionRequest = {
      sessionId: this.#workerId,
      toolCall: { toolCallId: call, title: prompt, status: 'pending' },
      options: options.map(requestOptionOf).map(({ id, label, kind }) => ({
        optionId: id,
        name: label,
        kind: kind === undefined ? kindOf(label) : EDITOR_KINDS[kind],
      })),
    };
    this.#editor
      .request(methods.client.session.requestPermission, permission, {
        cancellationSignal: cancellation.signal,
        stopWaitingOnCancel: true,
      })
      .then(async ({ outcome }: RequestPermissionResponse) => {
        if (outcome.outcome === 'selected')
          await this.#client.respond(this.#workerId, request, { decision: outcome.optionId });
      })
      // an editor that cannot ask leaves the request open; other clients can still answer it
      .catch(() => {});
  }
}

const responseTo = ({ outcome, error, reason }: EventData['run.finished']): PromptResponse => {
  if (outcome === 'completed') return { stopReason: 'end_turn' };
  if (outcome === 'cancelled') return { stopReason: 'cancelled' };
  if (error) throw editorFailure(error.code, `${error.code}: ${error.message}`);
  const why = reason === undefined ? '' : `: ${reason}`;
  throw new RequestError(RUNTIME_ERROR, `The run was ${outcome}${why}`, { outcome });
};
