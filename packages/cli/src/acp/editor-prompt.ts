import { randomUUID } from 'node:crypto';
import {
  type AgentContext,
  type ContentBlock,
  methods,
  type PermissionOptionKind,
  type PromptResponse,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import type { RuntimeClient } from '@worker-runtime/client';
import type { EventData, WorkerEvent } from '@worker-runtime/core';
import type { OptionKind } from '@worker-runtime/core/plugin-kit';
import { requestOptionOf } from '@worker-runtime/core/views';
import { WorkerSpeech } from './worker-speech.ts';

/**
 * Converts a block of a prompt to text. A file is named, or quoted if the prompt contains its text.
 * @throws RequestError a block of a type that the agent does not announce
 */
const textOf = (block: ContentBlock): string => {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'resource_link':
      return `[${block.name}](${block.uri})`;
    case 'resource':
      return 'text' in block.resource
        ? `${block.resource.uri}:\n\`\`\`\n${block.resource.text}\n\`\`\``
        : `[${block.resource.uri}]`;
    default:
      throw RequestError.invalidParams(
        { type: block.type },
        `This agent takes text and files as text, and no block of type ${block.type}`,
      );
  }
};

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

/** A prompt of an editor. Sends it as an input and reports its run to the editor until the run ends. */
export class EditorPrompt {
  readonly #client: RuntimeClient;
  readonly #editor: AgentContext;
  readonly #workerId: string;
  /** The requests that the editor shows, by id. Each is cancelled when another client answers it. */
  readonly #requests = new Map<string, AbortController>();
  readonly #ended = new AbortController();
  #runId: string | null = null;
  #isCancelled = false;

  constructor(client: RuntimeClient, editor: AgentContext, workerId: string) {
    this.#client = client;
    this.#editor = editor;
    this.#workerId = workerId;
  }

  /** Sends the prompt and resolves when its run ends. @throws RequestError the run failed */
  async run(prompt: readonly ContentBlock[]): Promise<PromptResponse> {
    const { runId, cursor } = await this.#client.sendInput(
      this.#workerId,
      { text: prompt.map(textOf).join('\n'), whenBusy: 'queue' },
      { idempotencyKey: `acp-${randomUUID()}` },
    );
    this.#runId = runId;
    if (this.#isCancelled) await this.#client.cancelRun(this.#workerId, { runId }).catch(() => {});
    try {
      return await this.#follow(runId, cursor);
    } finally {
      this.#ended.abort();
      for (const request of this.#requests.values()) request.abort();
    }
  }

  /** True once the runtime has accepted the input. */
  get isSent(): boolean {
    return this.#runId !== null;
  }

  /** Cancels the run as soon as the runtime has accepted the input. */
  cancelWhenSent(): void {
    this.#isCancelled = true;
  }

  async #follow(runId: string, after: string): Promise<PromptResponse> {
    const speech = new WorkerSpeech();
    const { signal } = this.#ended;
    for await (const item of this.#client.observe(this.#workerId, { after, acrossRestarts: true, signal })) {
      if (item.type === 'ended') throw RequestError.internalError(undefined, item.code);
      // other runs of the Worker do not answer this prompt
      if (item.type === 'event' && item.event.run !== runId) continue;
      if (item.type === 'delta' && item.run !== runId) continue;
      for (const update of speech.updates(item))
        await this.#editor.notify(methods.client.session.update, { sessionId: this.#workerId, update });
      if (item.type !== 'event') continue;
      this.#ask(item.event);
      if (item.event.type === 'run.finished') return responseTo(item.event.data);
    }
    throw RequestError.internalError(undefined, 'The stream of the Worker ended');
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
  throw RequestError.internalError(
    undefined,
    error
      ? `${error.code}: ${error.message}`
      : `The run was ${outcome}${reason === undefined ? '' : `: ${reason}`}`,
  );
};
