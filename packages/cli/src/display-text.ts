import type { TranscriptItem, WorkerEvent } from '@worker-runtime/core';

/** Ends a message that was not finished. */
export const CUT_OFF = ' […]';

const sayPart = (part: TranscriptItem['parts'][number]): string => {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'reasoning':
      return `(${part.text})`;
    case 'file':
      return `[${part.name ?? part.mediaType}]`;
    case 'tool-call':
      return `${part.name}(${JSON.stringify(part.input)})`;
    case 'tool-result':
      return part.error ?? JSON.stringify(part.output ?? null);
  }
};

/** What a message or the use of a tool says, as text for people, who are told where it was cut off. */
export const textOf = ({ parts, partial }: Pick<TranscriptItem, 'parts'> & { partial?: boolean }): string =>
  `${parts.map(sayPart).join('')}${partial === true ? CUT_OFF : ''}`;

/** What may be decided about a request: by name, or by number. */
export const choicesOf = (options: readonly string[]): string =>
  options.map((option, at) => `${at + 1} ${option}`).join(', ');

/** An event in a few words. Types of a newer runtime are shown by their data. */
export const gistOf = (event: WorkerEvent): string => {
  switch (event.type) {
    case 'input.accepted':
    case 'message.completed':
      return textOf(event.data);
    case 'run.finished':
      return event.data.error === undefined
        ? event.data.outcome
        : `${event.data.outcome}: ${event.data.error.code}: ${event.data.error.message}`;
    case 'worker.created':
      return event.data.engine;
    case 'worker.stopped':
      return event.data.outcome;
    case 'execution.attached':
      return `${event.data.engine}, generation ${event.data.generation}`;
    case 'execution.detached':
      return event.data.cause;
    case 'tool.called':
      return event.data.name;
    case 'tool.finished':
      return event.data.error ?? JSON.stringify(event.data.output ?? null);
    case 'request.opened':
      return `${event.data.prompt} [${event.data.options.join(', ')}]`;
    case 'request.resolved':
      return event.data.decision ?? event.data.by;
    case 'usage.recorded':
      return `${event.data.inputTokens} in, ${event.data.outputTokens} out`;
    case 'diagnostic.recorded':
      return `${event.data.code}: ${event.data.message}`;
    case 'run.started':
    case 'worker.resumed':
      return '';
    default:
      return JSON.stringify(event.data);
  }
};
