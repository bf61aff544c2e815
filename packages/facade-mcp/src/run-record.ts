import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/sdk/types.js';
import type { EventData, Observation, OpenRequest, WorkerEvent } from '@worker-runtime/core';
import { Conversation } from '@worker-runtime/core/views';
import { fileUri } from './resources.ts';

/** The longest text of a result. Of a longer answer it has the last messages; the transcript has all of them. */
const RESULT_CHARS = 1_048_576;

/** The news of one observation for the client: text, or only the fact that the run continues. */
export interface RunNews {
  readonly texts: readonly string[];
  readonly isActive: boolean;
}

/** One run as a call of a tool shows it, folded from the observations of its Worker. It has to see the run from its beginning. */
export class RunRecord {
  readonly #workerId: string;
  readonly #runId: string;
  readonly #conversation = new Conversation({ keptItems: 0 });
  #messages: { readonly chars: number; readonly blocks: readonly ContentBlock[] }[] = [];
  #chars = 0;
  #isTruncated = false;
  #end: EventData['run.finished'] | null = null;

  constructor(workerId: string, runId: string) {
    this.#workerId = workerId;
    this.#runId = runId;
  }

  get isFinished(): boolean {
    return this.#end !== null;
  }

  apply(item: Observation): RunNews {
    const texts = this.#conversation
      .apply(item)
      .filter(({ run, partType, text }) => run === this.#runId && partType === 'text' && text !== '')
      .map(({ text }) => text);
    if (item.type !== 'event' || item.event.run !== this.#runId) return { texts, isActive: false };
    this.#event(item.event);
    return { texts, isActive: item.event.type !== 'run.finished' };
  }

  /** Returns the result of the call: the answer, the outcome, and the requests that wait for people. */
  result(requests: readonly OpenRequest[]): CallToolResult {
    const content = this.#messages.flatMap(({ blocks }) => blocks);
    const isWaiting = this.#end === null;
    const { outcome = null, error = null, reason = null } = this.#end ?? {};
    const lines = [
      ...(error === null ? [] : [`${error.code}: ${error.message}`]),
      ...(outcome === 'cancelled' ? [`The run was cancelled${reason === null ? '' : `: ${reason}`}`] : []),
      ...(outcome === 'interrupted' && error === null
        ? ['EXECUTION_LOST: The run was interrupted, because the runtime stopped or crashed']
        : []),
      ...requests.map(
        ({ requestId, prompt, options }) =>
          `The Worker waits for an answer to the request ${requestId}: ${prompt} (${options.map(({ id }) => id).join(', ')})`,
      ),
    ];
    return {
      ...(!isWaiting && outcome !== 'completed' && { isError: true }),
      content: [...content, ...lines.map((text) => ({ type: 'text' as const, text }))],
      structuredContent: {
        workerId: this.#workerId,
        runId: this.#runId,
        status: isWaiting ? 'waiting' : 'finished',
        outcome,
        error,
        requests,
        isTruncated: this.#isTruncated,
      },
    };
  }

  #event(event: WorkerEvent): void {
    if (event.type === 'run.finished') this.#end = event.data;
    if (event.type !== 'message.completed') return;
    const blocks = event.data.parts.flatMap((part): readonly ContentBlock[] => {
      if (part.type === 'text') return [{ type: 'text', text: part.text }];
      // a file of an earlier version is a URL that its engine gave
      if (part.type !== 'file' || !('digest' in part)) return [];
      const { digest, mediaType, name, sizeBytes } = part;
      const uri = fileUri(this.#workerId, digest);
      return [{ type: 'resource_link', uri, name: name ?? digest, mimeType: mediaType, size: sizeBytes }];
    });
    const chars = blocks.reduce((sum, block) => sum + (block.type === 'text' ? block.text.length : 0), 0);
    this.#messages.push({ chars, blocks });
    this.#chars += chars;
    while (this.#chars > RESULT_CHARS && this.#messages.length > 1) {
      this.#chars -= this.#messages.shift()?.chars ?? 0;
      this.#isTruncated = true;
    }
  }
}
