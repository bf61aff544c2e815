import type { WorkerEvent } from '@worker-runtime/core';

const GIST_CHARS = 160;

/** True if an event reports a failure or a refusal. */
export const isFailure = (event: WorkerEvent): boolean => {
  switch (event.type) {
    case 'run.finished':
      return event.data.outcome === 'failed' || event.data.outcome === 'interrupted';
    case 'tool.finished':
      return event.data.error !== undefined || event.data.denied === true;
    case 'execution.detached':
      return event.data.code !== undefined;
    case 'diagnostic.recorded':
      return event.data.severity !== 'info';
    default:
      return false;
  }
};

/** Returns what a person looks for in an event, in one line. */
export const gistOf = (event: WorkerEvent): string => {
  switch (event.type) {
    case 'input.accepted':
      return event.data.parts
        .map((part) => (part.type === 'file' ? `[${part.name ?? part.mediaType}]` : part.text))
        .join(' ')
        .slice(0, GIST_CHARS);
    case 'message.completed':
      return event.data.parts
        .map((part) =>
          part.type === 'file' ? `[${part.name ?? part.mediaType}]` : part.text.slice(0, GIST_CHARS),
        )
        .join(' ')
        .slice(0, GIST_CHARS);
    case 'tool.called':
      return event.data.title ?? event.data.name;
    case 'tool.finished':
      return event.data.error ?? (event.data.denied ? 'denied' : event.data.call);
    case 'run.finished':
      return [event.data.outcome, event.data.error?.message].filter(Boolean).join(': ');
    case 'request.opened':
      return event.data.prompt.slice(0, GIST_CHARS);
    case 'request.resolved':
      return `${event.data.decision ?? 'no answer'}, by ${event.data.by}`;
    case 'worker.created':
      return [event.data.displayName, event.data.engine].filter(Boolean).join(', ');
    case 'worker.forked':
      return event.data.displayName ?? '';
    case 'run.started':
      return event.data.origin;
    case 'execution.attached':
      return `${event.data.engine}, execution ${event.data.generation}`;
    case 'usage.recorded':
      return `${event.data.model ?? ''} ${event.data.inputTokens} + ${event.data.outputTokens} tokens`;
    default:
      return JSON.stringify(event.data).slice(0, GIST_CHARS);
  }
};
