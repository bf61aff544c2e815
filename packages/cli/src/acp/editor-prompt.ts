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
import { WorkerSpeech } from './worker-speech.ts';

/** A prompt as text: an editor's files are named or, where they come along, quoted. */
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
      return `[${block.type}]`;
  }
};

/** Editors show options by their kind, which a Worker's requests do not have: it is told by the first word. */
const kindOf = (option: string): PermissionOptionKind => {
  const isAlways = /always/i.test(option);
  if (/^(allow|yes|ok|accept|approve|always)/i.test(option)) return isAlways ? 'allow_always' : 'allow_once';
  return isAlways ? 'reject_always' : 'reject_once';
};

/** One turn of an editor: an input of a Worker, told until its run has ended. */
export class EditorPrompt {
  readonly #client: RuntimeClient;
  readonly #editor: AgentContext;
  readonly #workerId: string;
  /** Requests that the editor was asked, by their ids: called off when somebody else answers. */
  readonly #asked = new Map<string, AbortController>();
  readonly #over = new AbortController();
  #run: string | null = null;
  #isCancelled = false;

  constructor(client: RuntimeClient, editor: AgentContext, workerId: string) {
    this.#client = client;
    this.#editor = editor;
    this.#workerId = workerId;
  }

  /** @throws RequestError the run failed */
  async play(prompt: readonly ContentBlock[]): Promise<PromptResponse> {
    const { runId, cursor } = await this.#client.sendInput(
      this.#workerId,
      { text: prompt.map(textOf).join('\n') },
      { idempotencyKey: `acp-${randomUUID()}` },
    );
    this.#run = runId;
    if (this.#isCancelled) await this.cancel();
    try {
      return await this.#follow(runId, cursor);
    } finally {
      this.#over.abort();
      for (const asked of this.#asked.values()) asked.abort();
    }
  }

  /** Ends the run, also one that has only just been asked for. */
  async cancel(): Promise<void> {
    this.#isCancelled = true;
    if (this.#run !== null) await this.#client.cancelRun(this.#workerId, { runId: this.#run });
  }

  async #follow(runId: string, after: string): Promise<PromptResponse> {
    const speech = new WorkerSpeech();
    const { signal } = this.#over;
    for await (const item of this.#client.observe(this.#workerId, { after, acrossRestarts: true, signal })) {
      if (item.type === 'ended') throw RequestError.internalError(undefined, item.code);
      // what else a Worker does is not the answer to this prompt
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

  /** Has the editor answer what the run asks, unless somebody else is faster. */
  #ask(event: WorkerEvent): void {
    if (event.type === 'request.resolved') this.#asked.get(event.data.request)?.abort();
    if (event.type !== 'request.opened') return;
    const { request, prompt, call = request, options } = event.data;
    const asked = new AbortController();
    this.#asked.set(request, asked);
    const permission: RequestPermissionRequest = {
      sessionId: this.#workerId,
      toolCall: { toolCallId: call, title: prompt, status: 'pending' },
      options: options.map((option) => ({ optionId: option, name: option, kind: kindOf(option) })),
    };
    this.#editor
      .request(methods.client.session.requestPermission, permission, {
        cancellationSignal: asked.signal,
        stopWaitingOnCancel: true,
      })
      .then(async ({ outcome }: RequestPermissionResponse) => {
        if (outcome.outcome === 'selected')
          await this.#client.respond(this.#workerId, request, { decision: outcome.optionId });
      })
      // an editor that cannot ask leaves the request open for others, who find it in the runtime
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
